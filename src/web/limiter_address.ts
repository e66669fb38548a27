/**
 * Addresses of the pages of limiters. What names a key, or a place between two
 * keys, is sealed: a key is a value of args, and addresses end up in histories
 * and logs.
 */
import {
  parsePressureCursor,
  type PressureCursor,
  pressureCursorText,
} from "../domain/limiter_pressure.ts";
import type { LineCursor } from "../store/limiter_lines.ts";
import type { PageContext } from "./env.ts";
import type { Href } from "./render.ts";
import type { Sealed } from "./sealed.ts";

const KEY_LENGTH_MAX = 200;

/** What the address of a limiter asks for. */
export interface LimiterAddress {
  readonly from: PressureCursor | null;
  readonly way: "down" | "up";
  /** What somebody searched for. */
  readonly find: string | null;
}

/** Reads the address of a limiter; `null` if we never gave it out. */
export async function readLimiterAddress(
  c: PageContext,
  name: string,
): Promise<LimiterAddress | null> {
  const { sealer } = c.var;
  const { find, after, before } = c.req.query();
  const way = after === undefined && before !== undefined ? "up" : "down";
  const sealed = after ?? before;
  let from: PressureCursor | null = null;
  if (sealed !== undefined) {
    const opened = await sealer.unseal(sealed, placeOf("pressure", name));
    from = opened === null ? null : parsePressureCursor(opened);
    if (from === null) return null;
  }
  if (find === undefined) return { from, way, find: null };
  const found = await sealer.unseal(find, findPlaceOf(c, name));
  return found === null ? null : { from, way, find: found };
}

/** The address of a page of keys of a limiter. */
export async function limiterHref(
  c: PageContext,
  name: string,
  { find = null, after = null, before = null }: {
    readonly find?: string | null;
    readonly after?: PressureCursor | null;
    readonly before?: PressureCursor | null;
  },
): Promise<Href> {
  const { sealer, paths } = c.var;
  const cursor = (at: PressureCursor | null) =>
    at === null
      ? null
      : sealer.seal(pressureCursorText(at), placeOf("pressure", name));
  return paths.limiter(name, {
    find: find === null ? null : await sealer.seal(find, findPlaceOf(c, name)),
    after: await cursor(after),
    before: await cursor(before),
  });
}

/** The address of one key. */
export async function limiterKeyHref(
  c: PageContext,
  { limiter, key }: { readonly limiter: string; readonly key: string },
): Promise<Href> {
  // A path can not have an empty segment, and a seal is never empty.
  return c.var.paths.limiterKey(limiter, await sealKey(c, { limiter, key }));
}

/** The key that an address names; `null` if we never gave it out. */
export async function readKey(
  c: PageContext,
  limiter: string,
): Promise<string | null> {
  return await unsealKey(c, { limiter, sealed: c.req.param("key") ?? "" });
}

/** A key as a form or an address carries it. */
export async function sealKey(
  c: PageContext,
  { limiter, key }: { readonly limiter: string; readonly key: string },
): Promise<Sealed> {
  return await c.var.sealer.seal(key, placeOf("key", limiter));
}

/** What {@linkcode sealKey} sealed; `null` if it did not. */
export async function unsealKey(
  c: PageContext,
  { limiter, sealed }: { readonly limiter: string; readonly sealed: string },
): Promise<string | null> {
  const key = await c.var.sealer.unseal(sealed, placeOf("key", limiter));
  return key !== null && key.length <= KEY_LENGTH_MAX ? key : null;
}

/** The address of one line of jobs. Its id is made of its keys. */
export async function limiterLineHref(
  c: PageContext,
  { limiter, id }: { readonly limiter: string; readonly id: string },
): Promise<Href> {
  const { sealer, paths } = c.var;
  return paths.limiterLine(
    limiter,
    await sealer.seal(id, placeOf("line", limiter)),
  );
}

/** The line that an address names; `null` if we never gave it out. */
export async function readLineId(
  c: PageContext,
  limiter: string,
): Promise<string | null> {
  const sealed = c.req.param("line") ?? "";
  return await c.var.sealer.unseal(sealed, placeOf("line", limiter));
}

/** Reads the place between two lines; `undefined` if we never gave it out. */
export async function readLineCursor(
  c: PageContext,
  limiter: string,
): Promise<LineCursor | null | undefined> {
  const sealed = c.req.query("lines");
  if (sealed === undefined) return null;
  const text = await c.var.sealer.unseal(sealed, placeOf("lines", limiter));
  const match = /^(\d{1,17})_([0-9a-f-]{36})$/.exec(text ?? "");
  if (match === null) return undefined;
  return { lookUs: match[1] as `${bigint}`, id: match[2] ?? "" };
}

/** The text of a place between two lines, for an address. */
export async function lineCursorText(
  c: PageContext,
  { limiter, cursor }: {
    readonly limiter: string;
    readonly cursor: LineCursor;
  },
): Promise<string> {
  const { lookUs, id } = cursor;
  return await c.var.sealer.seal(
    `${lookUs}_${id}`,
    placeOf("lines", limiter),
  );
}

/** What somebody typed is opened for nobody else. */
function findPlaceOf(c: PageContext, limiter: string): string {
  return JSON.stringify(["find", limiter, c.var.actor.id]);
}

function placeOf(what: string, limiter: string): string {
  return JSON.stringify([what, limiter]);
}
