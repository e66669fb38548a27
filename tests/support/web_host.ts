/** A host with our pages in it, over a test's database or a made-up one. */
import { Hono } from "hono";
import type { Database } from "../../src/db/database.ts";
import { type Sql, sql } from "../../src/db/sql.ts";
import type {
  Actor,
  Auth,
  Authorize,
  DisplayPolicy,
  Permission,
  ResourceRef,
} from "../../src/seams.ts";
import { createWeb, type WebOptions } from "../../src/web/app.ts";
import { controlOf } from "./control_world.ts";
import { type Answer, Visitor, type VisitorOptions } from "./visitor.ts";

/** Where the pages are mounted, unless a test says otherwise. */
export const BASE_PATH = "/ops/jobs";

/** What a test changes about the host that mounts our pages. */
export interface WebHostOptions {
  readonly db?: Database;
  readonly basePath?: string;
  /** Where it is really mounted, if that differs. */
  readonly mountedAt?: string;
  readonly currentActor?: Auth["currentActor"];
  readonly authorize?: Auth["authorize"];
  readonly auditPrincipal?: Auth["auditPrincipal"];
  readonly onUnauthenticated?: Auth["onUnauthenticated"];
  readonly displayPolicy?: DisplayPolicy;
  readonly more?: Partial<WebOptions>;
}

/** What a host is told of when a page could not be made. */
export interface WebFault {
  readonly reference: string;
  readonly error: unknown;
}

/** A host with our pages in it, and the faults that it was told of. */
export interface WebHost {
  readonly faults: readonly WebFault[];
  request(path: string, init?: RequestInit): Promise<Response>;
  fetch(request: Request): Promise<Response>;
}

/** The operator of the canonical session. */
export const OPS: Actor = { id: "ops-demo", label: "Olivia Ops" };

/** A host that knows one operator, who may do everything. */
export function webHost(options: WebHostOptions = {}): WebHost {
  const { db = fakeDatabase(), basePath = BASE_PATH } = options;
  const faults: WebFault[] = [];
  const auth: Auth = {
    currentActor: options.currentActor ?? (() => OPS),
    authorize: options.authorize ?? (() => true),
    auditPrincipal: options.auditPrincipal ??
      (({ id }) => ({ id, type: "user" })),
    ...(options.onUnauthenticated &&
      { onUnauthenticated: options.onUnauthenticated }),
  };
  const web = createWeb({
    control: { db, auth },
    database: db,
    auth,
    basePath,
    displayPolicy: options.displayPolicy ?? (() => null),
    onError: (error, reference) => faults.push({ reference, error }),
    ...options.more,
  });
  const host = new Hono().route(options.mountedAt ?? basePath, web);
  return {
    faults,
    request: async (path, init) =>
      await host.request(`https://host.example${path}`, init),
    fetch: async (request) => await host.fetch(request),
  };
}

/** What a test says about who looks; the rest lets everybody do everything. */
export interface VisitOptions extends VisitorOptions {
  readonly basePath?: string;
  readonly authorize?: Authorize;
  readonly displayPolicy?: DisplayPolicy;
  readonly actorId?: string | null;
}

/** A host that answers requests. A fault fails the test instead of hiding. */
export function webAnswer(db: Database, options: VisitOptions = {}): Answer {
  const { authorize = () => true, actorId = OPS.id } = options;
  const control = controlOf(db, { authorize });
  const { faults, fetch } = webHost({
    ...options,
    db,
    ...control.auth,
    currentActor: () => actorId === null ? null : { id: actorId },
    more: { control },
  });
  return async (request) => {
    const response = await fetch(request);
    const [fault] = faults;
    if (fault !== undefined) throw fault.error;
    return response;
  };
}

/** Somebody with a browser before that host. */
export function webVisitor(db: Database, options: VisitOptions = {}): Visitor {
  return new Visitor(webAnswer(db, options), options);
}

/** The addresses that a page leads to, as a browser reads them. */
export function hrefsOf(html: string): readonly string[] {
  return [...html.matchAll(/\shref="([^"]*)"/g)].map(([, href = ""]) =>
    href.replaceAll("&#39;", "'").replaceAll("&amp;", "&")
  );
}

/** A form, as our own page sends it. */
export function post(
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): RequestInit {
  return {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { "Sec-Fetch-Site": "same-origin", ...headers },
  };
}

/** The form token of a page that somebody opened. */
export async function formTokenOf(page: Response): Promise<string> {
  const html = await page.text();
  return /name="form_token" value="(\w+)"/.exec(html)?.[1] ?? "";
}

/** Answers the clock and the key, and for the rest what `rows` says. */
export function fakeDatabase(
  rows: (text: string) => readonly unknown[] = () => [],
): Database {
  const db: Database = {
    schema: "yardmaster",
    now: sql`now()`,
    query: <R>(statement: Sql) => {
      const { text } = statement.render("yardmaster");
      return Promise.resolve(
        (text.includes("'form_key'") ? [FACTS] : rows(text)) as R[],
      );
    },
    transaction: (work) => work(db),
    script: () => Promise.resolve(),
  };
  return db;
}

const FACTS = {
  now: new Date("2026-01-15T12:00:00Z"),
  formKey: "k".repeat(64),
};

/** May look at everything and change nothing. */
export const LOOK_ONLY: Authorize = (_, permission) =>
  permission.startsWith("view_");

/** Permits `granted` and nothing else. */
export function only(
  granted: readonly Permission[],
): (actor: Actor, permission: Permission, resource: ResourceRef) => boolean {
  return (_, permission) => granted.includes(permission);
}
