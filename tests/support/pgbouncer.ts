/** A PgBouncer that pools transactions, in front of a Postgres of the tests. */
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { until } from "./until.ts";

/** It does not run as root. */
const NOBODY = { uid: 65534, gid: 65534, cwd: "/" } as const;
/** The first that keeps what clients prepare; in 1.24 it began to by itself. */
const KNOWS_PREPARED: readonly number[] = [1, 21];

/** One that runs. */
export interface PgBouncer extends AsyncDisposable {
  /** `127.0.0.1` and its port; every database of the server is behind it. */
  readonly host: string;
}

/** One that is installed. */
export interface PgBouncerProgram {
  readonly path: string;
  /** Such as `PgBouncer 1.18.0`. */
  readonly version: string;
  /** Whether it can keep what clients prepare. */
  readonly knowsPrepared: boolean;
}

/** The program, or null where it is not installed. */
export async function findPgBouncer(): Promise<PgBouncerProgram | null> {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  // Debian puts it where only root's PATH leads.
  const path = [...folders, "/usr/sbin"]
    .map((folder) => join(folder, "pgbouncer"))
    .find((each) => existsSync(each));
  if (path === undefined) return null;
  const { stdout } = await new Deno.Command(path, { args: ["--version"] })
    .output();
  const [version = ""] = new TextDecoder().decode(stdout).split("\n");
  const [major = 0, minor = 0] = [...version.matchAll(/\d+/g)].map(Number);
  const [fromMajor = 0, fromMinor = 0] = KNOWS_PREPARED;
  const knowsPrepared = major > fromMajor ||
    (major === fromMajor && minor >= fromMinor);
  return { path, version, knowsPrepared };
}

/**
 * Starts one that lends a connection for a transaction, and each time another
 * one: what a session would have to remember is forgotten as often as possible.
 *
 * @param prepared `off`: it keeps nothing of what clients prepare, as every
 * version could be told; `default`: as the version comes.
 */
export async function startPgBouncer(
  { path, knowsPrepared }: PgBouncerProgram,
  { server, prepared }: {
    readonly server: string;
    readonly prepared: "off" | "default";
  },
): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-pgbouncer-"));
  const file = join(folder, "pgbouncer.ini");
  const port = freePort();
  const keepsNothing = prepared === "off" && knowsPrepared;
  await writeFile(
    file,
    [
      ...settings({ server: new URL(server), port }),
      // Others would refuse a setting that they do not know.
      ...(keepsNothing ? ["max_prepared_statements = 0"] : []),
    ].join("\n"),
  );
  await chmod(folder, 0o755);
  const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
  const child = new Deno.Command(path, {
    args: [file],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    ...(isRoot ? NOBODY : {}),
  }).spawn();
  const watch = endWithUs(child, folder);
  await until("PgBouncer takes connections", () => takesConnections(port));
  return {
    host: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      // It keeps nothing, and its signals mean other things in each version.
      watch.kill("SIGKILL");
      child.kill("SIGKILL");
      await Promise.all([watch.status, child.status]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function settings(
  { server, port }: { readonly server: URL; readonly port: number },
): string[] {
  const { hostname, port: serverPort, username } = server;
  return [
    "[databases]",
    `* = host=${hostname} port=${serverPort} user=${username}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "pool_mode = transaction",
    "server_round_robin = 1",
    "default_pool_size = 12",
    "max_client_conn = 500",
    // Worlds come and go, each a database with a pool of its own.
    "autodb_idle_timeout = 5",
    "log_connections = 0",
    "log_disconnections = 0",
    "log_pooler_errors = 0",
    "log_stats = 0",
  ];
}

/** Ends it when this process is killed and can not do it itself. */
function endWithUs(
  child: Deno.ChildProcess,
  folder: string,
): Deno.ChildProcess {
  const script = `
    while kill -0 $1 2>/dev/null && kill -0 $2 2>/dev/null; do sleep 1; done
    kill -KILL $2 2>/dev/null && rm -rf "$3"
  `;
  return new Deno.Command("sh", {
    args: ["-c", script, "sh", String(Deno.pid), String(child.pid), folder],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
  });
}
