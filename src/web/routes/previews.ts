import { Hono } from "hono";
import { executePreview } from "../../control/execution.ts";
import {
  createPreview,
  findPreview,
  withdrawPreview,
} from "../../control/preview.ts";
import type { Refusal, Refused } from "../../control/refusal.ts";
import type { Preview } from "../../domain/preview.ts";
import { dialogBody } from "../components/dialog.ts";
import { previewView, targetHref } from "../components/preview_view.ts";
import { refusalPanel } from "../components/refusal_panel.ts";
import { writeFlash } from "../cookies.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { sealKey, unsealKey } from "../limiter_address.ts";
import { linksFor } from "../links.ts";
import { decidedElsewhere } from "../middleware.ts";
import { wayOnLink } from "../message_page.ts";
import { page } from "../page.ts";
import { REFUSAL_STATUS } from "../refusal_status.ts";
import { type Href, html, type Plain, text } from "../render.ts";

/**
 * The one way in which a page changes anything: a preview is made, looked at,
 * and executed or withdrawn. The control plane decides and records all of it.
 */
export function previewRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use("/previews/*", decidedElsewhere())
    .use("/previews", decidedElsewhere())
    .post("/previews", async (c) => {
      const { control, actor, paths, form } = c.var;
      const created = await createPreview(control, {
        actor,
        action: form["action"] ?? "",
        targetId: form["target_id"] ?? "",
        params: await paramsOf(c),
      });
      if (!created.ok) return await refusalPage(c, created);
      return c.redirect(paths.preview(created.token), 303);
    })
    .get("/previews/:token", async (c) => {
      return await previewPage(c, { token: c.req.param("token"), status: 200 });
    })
    .post("/previews/:token/executions", async (c) => {
      const { control, actor, paths, form } = c.var;
      const token = c.req.param("token");
      const reason = form["reason"] ?? "";
      const done = await executePreview(control, { actor, token, reason });
      if (!done.ok) {
        return await executionRefused(c, { token, reason, refused: done });
      }
      await writeFlash(c, { code: done.action, auditId: done.event.id });
      return leave(c, targetHref(done, paths));
    })
    .post("/previews/:token/withdrawals", async (c) => {
      const { control, actor, paths } = c.var;
      const token = c.req.param("token");
      const found = await findPreview(control, { actor, token });
      const answer = await withdrawPreview(control, { actor, token });
      if (!answer.ok) return await refusalPage(c, answer);
      await writeFlash(c, { code: "withdrawn", auditId: null });
      return leave(
        c,
        found.ok ? targetHref(found.preview, paths) : paths.overview(),
      );
    });
}

/** What an action was asked for beyond its target; a limit is a number or none. */
async function paramsOf(c: PageContext) {
  const { form } = c.var;
  const { param_sealedKey: sealed, target_id: limiter = "", ...rest } = form;
  const params = Object.entries(rest)
    .filter(([name]) => name.startsWith("param_"))
    .map(([name, value]): [string, string | number | null] => {
      // A key is text, also where it looks like a number.
      if (name === "param_key") return ["key", value === "" ? null : value];
      return [name.slice("param_".length), numberOf(value)];
    });
  if (sealed !== undefined) {
    const key = await unsealKey(c, { limiter, sealed });
    // One that is not ours is no text, and so is refused.
    params.push(["key", key ?? 0]);
  }
  return Object.fromEntries(params);
}

/** The preview as its page has it: a form holds no key that one could read. */
async function withSealedKey(
  c: PageContext,
  preview: Preview,
): Promise<Preview> {
  const { key, ...params } = preview.params;
  if (preview.target.type !== "limiter" || typeof key !== "string") {
    return preview;
  }
  const sealedKey = await sealKey(c, { limiter: preview.target.id, key });
  return { ...preview, params: { ...params, sealedKey } };
}

/** Blank is no value; what is not a number is left for the command to refuse. */
function numberOf(value: string): number | string | null {
  const trimmed = value.trim();
  if (trimmed === "") return null;
  return /^-?\d{1,15}$/.test(trimmed) ? Number(trimmed) : trimmed;
}

/** Some refusals are about the preview, which then is shown as it stands now. */
const SHOWS_PREVIEW: readonly Refusal[] = [
  "preview_consumed",
  "preview_expired",
  "preview_drifted",
  "preview_withdrawn",
  "wrong_state",
  "reason_required",
  "reason_too_short",
  "reason_too_long",
];

async function executionRefused(
  c: PageContext,
  { token, reason, refused }: {
    readonly token: string;
    readonly reason: string;
    readonly refused: Refused;
  },
): Promise<Response> {
  const { refusal, message } = refused;
  const status = REFUSAL_STATUS[refusal];
  const isReason = refusal.startsWith("reason_") || refusal === "invalid_input";
  if (!SHOWS_PREVIEW.includes(refusal) && !isReason) {
    return await refusalPage(c, refused);
  }
  const typed = isReason ? { reason, error: message as Plain } : null;
  return await previewPage(c, { token, status, typed });
}

async function previewPage(
  c: PageContext,
  { token, status, typed = null }: {
    readonly token: string;
    readonly status: 200 | 403 | 404 | 409 | 410 | 422 | 400;
    readonly typed?: { readonly reason: string; readonly error: Plain } | null;
  },
): Promise<Response> {
  const { control, actor } = c.var;
  const found = await findPreview(control, { actor, token });
  if (!found.ok) return await refusalPage(c, found);
  const { current } = found;
  const preview = await withSealedKey(c, found.preview);
  const inDialog = wantsFragment(c);
  const body = previewView({ preview, token, current, typed, inDialog }, c.var);
  if (inDialog) return c.html(String(body), status);
  return await page(c, {
    title: titleOf(preview),
    active: activeOf(preview),
    body,
    status,
  });
}

function titleOf(preview: Preview): Plain {
  return preview.status === "ready"
    ? text`Preview`
    : text`Preview, no longer open`;
}

const ACTIVE = {
  job: "jobs",
  queue: "queues",
  cron_entry: "cron",
  limiter: "limiters",
  page: null,
} as const;

function activeOf({ target }: Preview) {
  return ACTIVE[target.type];
}

async function refusalPage(
  c: PageContext,
  refused: Refused,
): Promise<Response> {
  const status = REFUSAL_STATUS[refused.refusal];
  const panel = refusalPanel(refused, {
    venue: text`Yardmaster-native`,
    jobLink: await holderLink(c, refused),
  });
  if (wantsFragment(c)) {
    return c.html(String(dialogBody(panel)), status);
  }
  const body = html`<div class="stack">${panel}${await wayOnLink(c)}</div>`;
  return await page(c, { title: text`Refused`, active: null, body, status });
}

/** The job in the way, which the control plane names at the beginning. */
async function holderLink(
  c: PageContext,
  { refusal, message }: Refused,
): Promise<Href | null> {
  const [, id] = /^Job (\d+) /.exec(message) ?? [];
  if (refusal !== "unique_key_held" || id === undefined) return null;
  const resource = { type: "job", id } as const;
  return (await linksFor(c, [resource]))(resource);
}

/** Goes on to a page: htmx is told to, a browser is redirected. */
function leave(c: PageContext, to: Href): Response {
  if (!wantsFragment(c)) return c.redirect(to, 303);
  return c.body(null, 200, { "HX-Redirect": to });
}
