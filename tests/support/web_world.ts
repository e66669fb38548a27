/** Our pages in a host, over a test's database. */
import { Hono } from "hono";
import type { Database } from "../../src/db/database.ts";
import type { Authorize, DisplayPolicy } from "../../src/seams.ts";
import { createWeb } from "../../src/web/app.ts";
import { controlOf } from "./control_world.ts";
import { Visitor, type VisitorOptions } from "./visitor.ts";

/** What a test says about the host; the rest lets everybody do everything. */
export interface WebWorld extends VisitorOptions {
  readonly basePath?: string;
  readonly authorize?: Authorize;
  readonly displayPolicy?: DisplayPolicy;
  readonly actorId?: string | null;
}

/** Where the pages are mounted, unless a test says otherwise. */
export const BASE_PATH = "/ops/jobs";

/** May look at everything and change nothing. */
export const LOOK_ONLY: Authorize = (_, permission) =>
  permission.startsWith("view_");

/** A host that answers requests. A fault fails the test instead of hiding. */
export function webHost(
  db: Database,
  world: WebWorld = {},
): (request: Request) => Response | Promise<Response> {
  const { basePath = BASE_PATH, authorize = () => true, actorId = "ops-demo" } =
    world;
  const control = controlOf(db, { authorize });
  const faults: unknown[] = [];
  const web = createWeb({
    control,
    database: db,
    auth: {
      ...control.auth,
      currentActor: () => actorId === null ? null : { id: actorId },
    },
    displayPolicy: world.displayPolicy ?? (() => null),
    basePath,
    onError: (error) => faults.push(error),
  });
  const host = new Hono().route(basePath, web);
  return async (request) => {
    const response = await host.fetch(request);
    const [fault] = faults;
    if (fault !== undefined) throw fault;
    return response;
  };
}

/** Somebody with a browser before that host. */
export function webVisitor(db: Database, world: WebWorld = {}): Visitor {
  return new Visitor(webHost(db, world), world);
}

/** The addresses that a page leads to, as a browser reads them. */
export function hrefsOf(html: string): readonly string[] {
  return [...html.matchAll(/\shref="([^"]*)"/g)].map(([, href = ""]) =>
    href.replaceAll("&#39;", "'").replaceAll("&amp;", "&")
  );
}
