/**
 * What stands in front of every route: where the request comes from, who sent
 * it, and whether that is allowed. Each of them fails closed.
 */
import type { MiddlewareHandler } from "hono";
import { baseRoutePath } from "hono/route";
import { allowed, parseActor } from "../control/control.ts";
import { readPageFacts } from "../store/page_facts.ts";
import type { Actor, Permission, ResourceRef } from "../seams.ts";
import type { WebOptions } from "./options.ts";
import { readTheme } from "./cookies.ts";
import {
  createSigner,
  formTokenFor,
  isFormToken,
  judgeProvenance,
  type Signer,
} from "./csrf.ts";
import type { Env, May, PageContext } from "./env.ts";
import {
  forbiddenPage,
  notSignedInPage,
  refusedRequestPage,
} from "./errors.ts";
import { readForm } from "./form.ts";
import type { Paths } from "./paths.ts";
import { type Plain, showTo } from "./render.ts";
import { createSealer, type Sealer } from "./sealed.ts";
import { wrongMountPage } from "./setup.ts";

/** Refuses to make links that would lead elsewhere than where we are mounted. */
export function checkMount(paths: Paths): MiddlewareHandler<Env> {
  return async (c, next) => {
    // Mounted at the root, a host or its proxy may have taken the prefix away.
    const mounted = baseRoutePath(c);
    if (mounted !== "/" && mounted !== paths.basePath) {
      return wrongMountPage(c, { mounted, configured: paths.basePath });
    }
    return await next();
  };
}

/** Refuses what another site sent, before anybody is asked who it is for. */
export function checkProvenance(
  allowedOrigins: readonly string[],
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const verdict = judgeProvenance({
      method: c.req.method,
      url: c.req.url,
      secFetchSite: c.req.header("Sec-Fetch-Site") ?? null,
      origin: c.req.header("Origin") ?? null,
      host: c.req.header("Host") ?? null,
    }, allowedOrigins);
    if (verdict.ok) return await next();
    return refusedRequestPage(c, { status: 403, why: verdict.why });
  };
}

/** Reads the form of an unsafe request, within limits. */
export function parseForm(): MiddlewareHandler<Env> {
  return async (c, next) => {
    c.set("form", {});
    if (isSafe(c)) return await next();
    const form = await readForm(c.req.raw);
    if (!form.ok) return refusedRequestPage(c, form);
    c.set("form", form.fields);
    return await next();
  };
}

/** Finds out who asks, and what the page needs to answer them. */
export function identify(
  options: WebOptions,
  paths: Paths,
): MiddlewareHandler<Env> {
  // Of the key that was read last: it changes when somebody restores a backup.
  let known: {
    readonly key: string;
    readonly signer: Signer;
    readonly sealer: Sealer;
  } | null = null;
  return async (c, next) => {
    const actor = await actorOf(c.req.raw, options);
    if (actor === null) return notSignedIn(c, options);

    const { now, formKey } = await readPageFacts(options.database);
    if (formKey === null) throw new Error("The key of the forms is missing");
    if (known?.key !== formKey) {
      const [signer, sealer] = await Promise.all([
        createSigner(formKey),
        createSealer(formKey),
      ]);
      known = { key: formKey, signer, sealer };
    }
    const { sign, verify } = known.signer;

    c.set("control", options.control);
    c.set("db", options.database);
    c.set("actor", actor);
    c.set("paths", paths);
    const { displayPolicy: policy, onHidden } = options;
    c.set("show", showTo(actor, { policy, onHidden }));
    c.set("may", mayOf(actor, options));
    c.set("reveal", options.reveal ?? null);
    c.set("now", now);
    c.set("layout", options.layout ?? {});
    c.set("runbook", options.runbook ?? null);
    c.set("theme", readTheme(c));
    c.set("sign", sign);
    c.set("verify", verify);
    c.set("sealer", known.sealer);
    const token = await formTokenFor(known.signer, { actorId: actor.id, now });
    c.set("formToken", token as Plain);
    return await next();
  };
}

/** Refuses a form that we did not sign for this actor. */
export function checkFormToken(): MiddlewareHandler<Env> {
  return async (c, next) => {
    if (isSafe(c)) return await next();
    const { actor, now, form } = c.var;
    const token = form["form_token"] ?? "";
    const known = await isFormToken(c.var, { token, actorId: actor.id, now });
    if (known) return await next();
    return refusedRequestPage(c, {
      status: 403,
      why: "The form is too old, or it was made for somebody else. Open the " +
        "page again and send it once more",
    });
  };
}

/** Lets a request through that may use `permission`, and only that. */
export function requires(
  permission: Permission,
  resourceOf: (c: PageContext) => ResourceRef,
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const resource = resourceOf(c);
    if (!await c.var.may(permission, resource)) {
      return await forbiddenPage(c, permission);
    }
    c.set("authorized", true);
    return await next();
  };
}

/** Says that the handler asks by itself, through a command of the control plane. */
export function decidedElsewhere(): MiddlewareHandler<Env> {
  return async (c, next) => {
    c.set("authorized", true);
    return await next();
  };
}

/** Lets nothing out of a route that forgot to ask. */
export function failClosed(): MiddlewareHandler<Env> {
  return async (c, next) => {
    c.set("authorized", false);
    await next();
    if (c.var.authorized || c.res.status >= 400) return;
    throw new Error(`The route ${c.req.path} asked for no permission`);
  };
}

function isSafe(c: PageContext): boolean {
  return ["GET", "HEAD", "OPTIONS"].includes(c.req.method);
}

/** The actor, or `null` for nobody; whatever the host throws is nobody. */
async function actorOf(
  request: Request,
  { auth }: WebOptions,
): Promise<Actor | null> {
  try {
    return parseActor(await auth.currentActor(request));
  } catch {
    return null;
  }
}

/** Asks the host once for each question of a request. */
function mayOf(actor: Actor, { control }: WebOptions): May {
  const answers = new Map<string, Promise<boolean>>();
  return (permission, resource) => {
    const question = JSON.stringify([permission, resource.type, resource.id]);
    const known = answers.get(question) ??
      allowed(control, { actor, permission, resource });
    answers.set(question, known);
    return known;
  };
}

function notSignedIn(
  c: PageContext,
  { auth }: WebOptions,
): Response | Promise<Response> {
  const answer = auth.onUnauthenticated?.(c.req.raw);
  if (answer === undefined) return notSignedInPage(c);
  const location = answer.headers.get("Location");
  if (c.req.header("HX-Request") !== "true" || location === null) return answer;
  // htmx would follow the redirect and put the sign-in page into a part of ours.
  return c.body(null, 401, { "HX-Redirect": location });
}
