import type { MiddlewareHandler } from "hono";
import { type Env, wantsFragment } from "./env.ts";

/**
 * Answers a refresh that brings no news with 304 and no body. The tag is weak: it
 * says nothing of the words of relative times, which the page keeps up to date
 * by itself.
 *
 * The answer is made all the same, for only then it is known what is in it; what
 * is spared is the way and the work in the browser.
 */
export function fragmentTags(): MiddlewareHandler<Env> {
  return async (c, next) => {
    await next();
    const { res } = c;
    const isFragment = c.req.method === "GET" && wantsFragment(c) &&
      res.status === 200 && !res.headers.has("Set-Cookie") &&
      (res.headers.get("Content-Type") ?? "").startsWith("text/html");
    if (!isFragment) return;
    const body = await res.text();
    const tag = await tagOf(body);
    const headers = new Headers(res.headers);
    headers.set("ETag", tag);
    const isKnown = c.req.header("If-None-Match") === tag;
    if (isKnown) headers.delete("Content-Type");
    // Unset first, or the headers of the old one are merged into it.
    c.res = undefined;
    c.res = isKnown
      ? new Response(null, { status: 304, headers })
      : new Response(body, { status: 200, headers });
  };
}

/** The words of a time that tells how long ago it was. */
const RELATIVE = /(<time[^>]*data-relative[^>]*>)[^<]*/g;

async function tagOf(body: string): Promise<string> {
  const bytes = new TextEncoder().encode(body.replaceAll(RELATIVE, "$1"));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const start = [...new Uint8Array(digest).slice(0, 12)];
  return `W/"${
    start.map((byte) => byte.toString(16).padStart(2, "0")).join("")
  }"`;
}
