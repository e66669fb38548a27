/** A disk that is nearly full: a small file system in memory. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChaosWorld } from "../world.ts";

const SIZE = "48m";
/** `nobody`, as which a test server runs when we are root. */
const OPTIONS = `size=${SIZE},uid=65534,gid=65534,mode=700`;
const TABLESPACE = "chaos_small_disk";

/** Why no file system can be mounted here; `null` if one can. */
export async function whyNoMount(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "only Linux mounts a tmpfs";
  if (Deno.uid() !== 0) return "only root mounts a tmpfs";
  try {
    const folder = await mount();
    await unmount(folder);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** All tables of a database, on a disk of their own. */
export class SmallDisk implements AsyncDisposable {
  readonly #world: ChaosWorld;
  readonly #folder: string;

  private constructor(world: ChaosWorld, folder: string) {
    this.#world = world;
    this.#folder = folder;
  }

  /** Moves the tables there. */
  static async open(world: ChaosWorld): Promise<SmallDisk> {
    const disk = new SmallDisk(world, await mount());
    await world.db.script(
      `create tablespace ${TABLESPACE} location '${disk.#folder}'`,
    );
    await disk.#move({ from: "pg_default", to: TABLESPACE });
    return disk;
  }

  /** Takes all the room that is left. */
  async fill(): Promise<void> {
    const { db } = this.#world;
    await db.script(
      `create table public.ballast (bytes text) tablespace ${TABLESPACE}`,
    );
    await db.script(
      "alter table public.ballast alter column bytes set storage plain",
    );
    // In ever smaller pieces, each of which has to fit as a whole.
    for (const rows of [500, 50, 5, 1]) {
      try {
        for (let piece = 0; piece < 100; piece++) {
          await db.script(`
            insert into public.ballast
            select repeat('x', 8000) from generate_series(1, ${rows})
          `);
        }
      } catch {
        // It is full to this size.
      }
    }
  }

  async empty(): Promise<void> {
    await this.#world.db.script("drop table if exists public.ballast");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.empty();
    await this.#move({ from: TABLESPACE, to: "pg_default" });
    await this.#world.db.script(`drop tablespace ${TABLESPACE}`);
    await unmount(this.#folder);
  }

  async #move({ from, to }: {
    readonly from: string;
    readonly to: string;
  }): Promise<void> {
    for (const kind of ["table", "index"]) {
      await this.#world.db.script(
        `alter ${kind} all in tablespace ${from} set tablespace ${to}`,
      );
    }
  }
}

async function mount(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-disk-"));
  // The server goes through it to what is mounted there.
  await chmod(folder, 0o711);
  try {
    await run("mount", ["-t", "tmpfs", "-o", OPTIONS, "none", folder]);
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
  return folder;
}

async function unmount(folder: string): Promise<void> {
  await run("umount", [folder]);
  await rm(folder, { recursive: true });
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
  }).output();
  if (success) return;
  throw new Error(new TextDecoder().decode(stderr).trim());
}
