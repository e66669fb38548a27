import { Hono } from "hono";
import type { Env } from "../env.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { html, text } from "../render.ts";

/** The first page: what needs attention, why, and where to go. */
export function overviewRoutes(): Hono<Env> {
  return new Hono<Env>().get(
    "/",
    requires("view_overview", () => ({ type: "page", id: "overview" })),
    (c) =>
      page(c, {
        title: text`Overview`,
        active: "overview",
        body: html`<h1>Overview</h1>`,
      }),
  );
}
