import { Hono } from "hono";
import { boundedReader } from "./bounded_reader.ts";
import type { Env, PageContext } from "./env.ts";
import { faultPage, notFoundPage, wrongMethodPage } from "./errors.ts";
import { fragmentTags } from "./fragment_tag.ts";
import { securityHeaders } from "./headers.ts";
import {
  checkFormToken,
  checkMount,
  checkProvenance,
  decidedElsewhere,
  failClosed,
  identify,
  parseForm,
} from "./middleware.ts";
import type { WebOptions } from "./options.ts";
import { createPaths, parseBasePath, type Paths } from "./paths.ts";
import { assetRoutes } from "./routes/assets.ts";
import { auditRoutes } from "./routes/audit.ts";
import { cronRoutes } from "./routes/cron.ts";
import { forensicsRoutes } from "./routes/forensics.ts";
import { jobsRoutes } from "./routes/jobs.ts";
import { limitersRoutes } from "./routes/limiters.ts";
import { overviewRoutes } from "./routes/overview.ts";
import { previewRoutes } from "./routes/previews.ts";
import { queuesRoutes } from "./routes/queues.ts";
import { themeRoutes } from "./routes/theme.ts";

export type { WebOptions } from "./options.ts";

/**
 * The pages, to be mounted by the host at `basePath`:
 * `host.route(basePath, createWeb(options))`.
 *
 * The order is the security: nothing is read before it is known where the
 * request comes from, no route is reached before it is known who asks, and what
 * a route answers leaves only if it asked for a permission.
 */
export function createWeb(given: WebOptions): Hono<Env> {
  const paths = createPaths(parseBasePath(given.basePath));
  const options = { ...given, database: boundedReader(given.database) };
  const web = new Hono<Env>();
  web.onError((error, c) => fault(c, { error, options }));

  web.use("*", securityHeaders());
  web.use("*", prepare(paths, options));
  web.use("*", checkMount(paths));
  web.route("/", assetRoutes());
  web.use("*", checkProvenance(options.allowedOrigins ?? []));
  web.use("*", parseForm());
  web.use("*", identify(options, paths));
  web.use("*", checkFormToken());
  web.use("*", fragmentTags());
  web.use("*", failClosed());
  mountPages(web);
  return web;
}

function mountPages(web: Hono<Env>): void {
  const before = web.routes.length;
  web.route("/", overviewRoutes());
  web.route("/", jobsRoutes());
  web.route("/", queuesRoutes());
  web.route("/", limitersRoutes());
  web.route("/", auditRoutes());
  web.route("/", cronRoutes());
  web.route("/", forensicsRoutes());
  web.route("/", previewRoutes());
  web.route("/", themeRoutes());
  refuseOtherMethods(web, before);
  web.all("*", decidedElsewhere(), (c) => {
    const { basePath, overview } = c.var.paths;
    const slash = basePath !== "/" && c.req.path === `${basePath}/`;
    return slash ? c.redirect(overview(), 308) : notFoundPage(c);
  });
}

/** A page that is asked with another verb says which ones it takes. */
function refuseOtherMethods(web: Hono<Env>, from: number): void {
  const verbs = new Map<string, Set<string>>();
  for (const { method, path } of web.routes.slice(from)) {
    if (method === "ALL") continue;
    const known = verbs.get(path) ?? new Set();
    known.add(method);
    if (method === "GET") known.add("HEAD");
    verbs.set(path, known);
  }
  for (const [path, known] of verbs) {
    const allow = [...known].join(", ");
    web.all(path, (c: PageContext) => wrongMethodPage(c, allow));
  }
}

/** What even a message needs, before anything can fail. */
function prepare(paths: Paths, options: WebOptions) {
  return async (c: PageContext, next: () => Promise<void>) => {
    c.set("paths", paths);
    c.set("layout", options.layout ?? {});
    await next();
  };
}

async function fault(
  c: PageContext,
  { error, options }: { readonly error: unknown; readonly options: WebOptions },
): Promise<Response> {
  const reference = crypto.randomUUID().slice(0, 8);
  if (options.onError) options.onError(error, reference);
  else console.error(`Yardmaster fault ${reference}:`, error);
  return await faultPage(c, { error, reference });
}
