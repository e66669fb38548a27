/** Pages for when there is nothing to show: each says what can be done. */
import type { Context } from "hono";
import type { Permission } from "../seams.ts";
import type { Env, PageContext } from "./env.ts";
import { messagePage } from "./message_page.ts";
import { type Href, html, type Plain, type Shown, text } from "./render.ts";

/** Signed in, and not allowed: names the permission that is missing. */
export function forbiddenPage(
  c: PageContext,
  permission: Permission,
): Promise<Response> {
  return messagePage(c, {
    status: 403,
    title: text`You may not open this`,
    body: html`
      <p>
        It needs the permission <code>${permission}</code>, and
        <strong>${c.var.show("actor", c.var.actor, {
          type: "page",
          id: "shell",
        })}</strong> does not have it here.
      </p>
      <p>
        Ask whoever runs this installation for it. Permissions are decided by the
        host application, and a change counts from the next click.
      </p>
    `,
    wayOn: true,
  });
}

/** Nobody is signed in, and the host has no page of its own for that. */
export function notSignedInPage(c: PageContext): Promise<Response> {
  return messagePage(c, {
    status: 403,
    title: text`Nobody is signed in`,
    body: html`
      <p>
        These pages show nothing to people they do not know. Sign in to the host
        application in this browser, then open the page again.
      </p>
      <p>
        If you are signed in: the host's <code>auth.currentActor</code> found
        nobody in this request.
      </p>
    `,
    wayOn: false,
  });
}

/** A form that we do not take. */
export function refusedRequestPage(
  c: PageContext,
  { status, why }: {
    readonly status: 400 | 403 | 413 | 415;
    readonly why: string;
  },
): Promise<Response> {
  return messagePage(c, {
    status,
    title: text`This form was not accepted`,
    body: html`
      <p>Nothing was changed: ${requestWords(why)}.</p>
      <p>Go back, open the page again, and send the form from there.</p>
    `,
    wayOn: true,
  });
}

/** Nothing is at this address. */
export function notFoundPage(c: PageContext): Promise<Response> {
  return messagePage(c, {
    status: 404,
    title: text`There is nothing at this address`,
    body: html`
      <p>
        The link may be old, or what it led to may have left with its retention
        window. Nothing is wrong with the address of these pages themselves.
      </p>
    `,
    wayOn: true,
  });
}

/** An address with a place in a list that we never gave out, or not for it. */
export function badPlacePage(c: PageContext, list: Href): Promise<Response> {
  return messagePage(c, {
    status: 400,
    title: text`This address can not be read`,
    body: html`
      <p>
        It names a place in a list that these pages did not give out, or not for
        this list. Nothing was changed.
      </p>
      <p><a class="button" href="${list}">Open the list at its beginning</a></p>
    `,
    wayOn: true,
  });
}

/** A file is asked for by a filter that can not be read: it would hold too much. */
export function badFiltersPage(c: PageContext, list: Href): Promise<Response> {
  return messagePage(c, {
    status: 400,
    title: text`There is no such file`,
    body: html`
      <p>
        A filter of its address can not be read. A file made without that filter
        would hold more than was asked for.
      </p>
      <p><a class="button" href="${list}">See which filter it is</a></p>
    `,
    wayOn: true,
  });
}

/** Somebody looks for a thing that is not on record. */
export function missingPage(
  c: PageContext,
  { what, name }: { readonly what: Plain; readonly name: Shown },
): Promise<Response> {
  return messagePage(c, {
    status: 404,
    title: text`There is no such ${what}`,
    body: html`
      <p>No ${what} <strong>${name}</strong> is on record.</p>
      <p>
        It may never have existed, or it left with its retention window. The
        audit still knows what operators did to it.
      </p>
    `,
    wayOn: true,
  });
}

/** The address is right and the verb is not. */
export async function wrongMethodPage(
  c: PageContext,
  allow: string,
): Promise<Response> {
  const page = await messagePage(c, {
    status: 405,
    title: text`This address takes no ${methodWord(c.req.method)}`,
    body:
      html`<p>Open the page that it belongs to, and use the form there.</p>`,
    wayOn: true,
  });
  page.headers.set("Allow", allow);
  return page;
}

/** Answers a fault: what a person can do depends on what broke. */
export function faultPage(
  c: Context<Env>,
  { error, reference }: { readonly error: unknown; readonly reference: string },
): Promise<Response> {
  const fault = faultOf(error);
  return messagePage(c, {
    ...FAULTS[fault],
    wayOn: false,
    reference: reference as Plain,
  });
}

type Fault = "database_away" | "database_slow" | "schema" | "bug";

const FAULTS = {
  database_away: {
    status: 503,
    title: text`The database is away`,
    body: html`
      <p>
        These pages could not reach their Postgres. Jobs are kept there, so
        nothing is lost; executors go on as soon as it answers.
      </p>
      <p>Check that it runs and that the host may connect, then reload.</p>
    `,
  },
  database_slow: {
    status: 503,
    title: text`The database took too long`,
    body: html`
      <p>
        The question was given up so that pages never slow the engine down.
        Nothing was changed.
      </p>
      <p>Reload, or ask for less: a filter or a shorter span of time helps.</p>
    `,
  },
  schema: {
    status: 503,
    title: text`The schema is not what these pages need`,
    body: html`
      <p>
        The tables are missing, or at another version than the code. Run
        <code>yardmaster migrate up</code>, or <code>yard.migrate()</code> in the
        host, then reload.
      </p>
      <p><code>yardmaster migrate status</code> says what is there.</p>
    `,
  },
  bug: {
    status: 500,
    title: text`Something broke`,
    body: html`
      <p>
        It is not your doing, and what you asked for was not done. Reload once;
        if it stays, hand the reference to whoever runs this installation.
      </p>
    `,
  },
} as const;

/** SQLSTATE classes and what the runtimes call a connection that fails. */
function faultOf(error: unknown): Fault {
  const code = codeOf(error);
  if (code === null) return "bug";
  if (
    code === "schema_version" || /^(3F000|42P01|42703|42883|42704)$/.test(code)
  ) {
    return "schema";
  }
  if (code === "57014") return "database_slow";
  return AWAY.test(code) ? "database_away" : "bug";
}

const AWAY =
  /^(08...|57P0.|53300|53400|28...|3D000|E[A-Z]+|CONNECT\w+|CONNECTION_\w+)$/;

/** The first code in an error or in what caused it. */
function codeOf(error: unknown): string | null {
  let at: unknown = error;
  for (
    let depth = 0;
    depth < 5 && typeof at === "object" && at !== null;
    depth++
  ) {
    const { code, cause } = at as { code?: unknown; cause?: unknown };
    if (typeof code === "string") return code;
    at = cause;
  }
  return null;
}

/** Sentences of `csrf.ts` and `form.ts`; headers in them are printed escaped. */
function requestWords(why: string): Plain {
  return why.replace(/\.$/, "") as Plain;
}

function methodWord(method: string): Plain {
  return (/^[A-Z]{1,10}$/.test(method) ? method : "such method") as Plain;
}
