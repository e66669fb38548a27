import { Hono } from "hono";
import type { Database } from "../../src/db/database.ts";
import { type Sql, sql } from "../../src/db/sql.ts";
import type {
  Actor,
  Auth,
  DisplayPolicy,
  Permission,
  ResourceRef,
} from "../../src/seams.ts";
import { createWeb, type WebOptions } from "../../src/web/app.ts";

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

/** A host with our pages in it, and the faults that it was told of. */
export interface WebHost {
  readonly faults: readonly { readonly reference: string }[];
  request(path: string, init?: RequestInit): Promise<Response>;
}

/** The operator of the canonical session. */
export const OPS: Actor = { id: "ops-demo", label: "Olivia Ops" };

/** A host that knows one operator, who may do everything. */
export function webHost(options: WebHostOptions = {}): WebHost {
  const { db = fakeDatabase(), basePath = "/ops/jobs" } = options;
  const faults: { reference: string }[] = [];
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
    onError: (_, reference) => faults.push({ reference }),
    ...options.more,
  });
  const host = new Hono().route(options.mountedAt ?? basePath, web);
  return {
    faults,
    request: async (path, init) =>
      await host.request(`https://host.example${path}`, init),
  };
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

/** Permits `granted` and nothing else. */
export function only(
  granted: readonly Permission[],
): (actor: Actor, permission: Permission, resource: ResourceRef) => boolean {
  return (_, permission) => granted.includes(permission);
}
