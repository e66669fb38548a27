import { Hono } from "hono";
import { findAsset } from "../assets/asset.ts";
import type { Env } from "../env.ts";

/** What a file of a name with a hash may be kept for: for ever. */
const IMMUTABLE = "public, max-age=31536000, immutable";

/** Style, script and pictures. They hold no data, so everybody may have them. */
export function assetRoutes(): Hono<Env> {
  return new Hono<Env>().get("/_a/:file", (c) => {
    const asset = findAsset(c.req.param("file"));
    if (asset === null) return c.text("Not found", 404);
    const etag = `"${asset.file}"`;
    c.header("Cache-Control", IMMUTABLE);
    c.header("ETag", etag);
    if (c.req.header("If-None-Match") === etag) return c.body(null, 304);
    return c.body(asset.text, 200, { "Content-Type": asset.type });
  });
}
