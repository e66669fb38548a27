import {
  ACTION_POLICIES,
  type ReasonRule,
  type Risk,
} from "../../domain/action.ts";
import {
  changedNames,
  type Preview,
  type PreviewStatus,
  type Snapshot,
} from "../../domain/preview.ts";
import type { Actor } from "../../seams.ts";
import { actionEffect, actionEventType, actionLabel } from "../action_words.ts";
import type { Paths } from "../paths.ts";
import {
  echo,
  type Href,
  html,
  type Markup,
  type Plain,
  type Show,
  text,
} from "../render.ts";
import { badge, type Tone } from "./badge.ts";
import { formTokenField, previewButton } from "./form.ts";
import type { Icon } from "./icon.ts";
import { resourceLink } from "./resource_link.ts";
import { resourceHref } from "../links.ts";
import { snapshotDiff } from "./snapshot_diff.ts";
import { definitions } from "./table.ts";
import { exactText, spanText } from "./time.ts";

/** A preview and how it is shown. */
export interface PreviewView {
  readonly preview: Preview;
  readonly token: string;
  /** The target as it is now; `null` if it is gone. */
  readonly current: Snapshot | null;
  /** What was typed before the reason was found wanting, and why it was. */
  readonly typed?: { readonly reason: string; readonly error: Plain } | null;
  /** Inside of the dialog it has other ways out than as a page. */
  readonly inDialog: boolean;
}

/** What of `c.var` a preview needs. */
export interface PreviewContext {
  readonly actor: Actor;
  readonly paths: Paths;
  readonly show: Show;
  readonly formToken: Plain;
  readonly now: Date;
}

/**
 * What would happen, in the order in which a person checks it: what, to what,
 * with which effect, what the audit will hold, whether it still can be done.
 */
export function previewView(
  view: PreviewView,
  context: PreviewContext,
): Markup {
  const { preview } = view;
  const { show } = context;
  const { action, target } = preview;
  const back = targetHref(preview, context.paths);
  return html`
    <article class="preview${view.inDialog ? " dialog-body" : ""}">
      <header>
        <p class="muted">Preview Action</p>
        <h1 tabindex="-1"${focusOn(view, "title")}>${actionLabel(
          action,
        )}: ${targetName(preview, show)}</h1>
      </header>
      ${definitions([
        [text`Action`, html`<code>${action}</code>`],
        [text`Resource`, resourceLink(target, context)],
        [text`Intended Effect`, actionEffect(action)],
        [text`Audit Consequence`, auditConsequence(preview)],
        [text`Preview Status`, statusLine(view, context)],
        [text`Actor`, show("actor", context.actor, target)],
        [text`Risk`, riskLine(ACTION_POLICIES[action].risk)],
      ])}
      ${snapshotDiff(diffOf(view), { show, target })}
      ${preview.status === "ready"
        ? executionForm(view, context)
        : wayOut(view, context)}
      ${withdrawal(view, { context, back })}
    </article>
  `;
}

/** The page of what a preview is about. */
export function targetHref(
  { target }: Pick<Preview, "target">,
  paths: Paths,
): Href {
  return resourceHref(target, paths) ?? paths.overview();
}

function targetName({ target }: Preview, show: Show) {
  return target.type === "job"
    ? text`#${show("name", target.id, target)}`
    : show("name", target.id, target);
}

function auditConsequence({ action }: Preview): Markup {
  return html`One immutable operator event, <code>${
    actionEventType(action)
  }</code>, will be written with your name and reason, together with the change or not at all. If it is refused, <code>command.refused</code> is written instead.`;
}

const STATUS_LOOKS = {
  ready: ["ready", "play", "Ready"],
  drifted: ["retryable", "alert", "Drifted"],
  expired: ["quiet", "clock", "Expired"],
  consumed: ["good", "check", "Consumed"],
  withdrawn: ["quiet", "slash", "Withdrawn"],
} as const satisfies Record<PreviewStatus, readonly [Tone, Icon, string]>;

function statusLine(
  view: PreviewView,
  { paths, now }: PreviewContext,
): Markup {
  const { preview } = view;
  const [tone, picture, word] = STATUS_LOOKS[preview.status];
  const chip = badge({ tone, icon: picture, label: html`${word}` }, paths);
  return html`<span class="stack-small">${chip} <span>${
    statusSentence(preview, now)
  }</span></span>`;
}

function statusSentence(preview: Preview, now: Date): Plain {
  switch (preview.status) {
    case "ready": {
      const left = preview.expiresAt.getTime() - now.getTime();
      return text`Nothing has been done yet. You can execute it once, in the next ${
        spanText(Math.max(left, 0))
      }, until ${exactText(preview.expiresAt)}.`;
    }
    case "drifted":
      return text`The target changed after this preview was made, so it can not be executed. Nothing was done by it.`;
    case "expired":
      return text`Its time was over at ${
        exactText(preview.expiresAt)
      }. Nothing was done by it.`;
    case "consumed":
      return text`It was executed, and it can be executed only once.`;
    case "withdrawn":
      return text`You withdrew it. Nothing was done by it.`;
  }
}

const RISKS = {
  low: "Low: it can be taken back here at any time.",
  medium: "Medium: it changes how soon work is done.",
  high: "High: it changes what becomes of somebody's work.",
} as const satisfies Record<Risk, string>;

function riskLine(risk: Risk): Markup {
  return html`${RISKS[risk]}`;
}

/** What was, and beside it what will be; after a drift, what is now instead. */
function diffOf({ preview, current }: PreviewView) {
  if (preview.status === "drifted") {
    return {
      caption: text`What changed since the preview`,
      headings: [text`When previewed`, text`Now`] as const,
      before: preview.before,
      after: current ?? {},
      changed: changedNames(preview.before, current ?? {}),
    };
  }
  return {
    caption: text`What the action changes`,
    headings: [text`Before`, text`After`] as const,
    before: preview.before,
    after: preview.after,
    changed: changedNames(preview.before, preview.after),
  };
}

function executionForm(view: PreviewView, context: PreviewContext): Markup {
  const { preview } = view;
  const action = context.paths.previewExecutions(view.token);
  const rule = ACTION_POLICIES[preview.action].reason;
  return html`
    <form class="stack" id="execution" method="post" action="${action}"
      hx-post="${action}" hx-target="#dialog" hx-sync="this:drop"
      hx-disable="find button">
      ${formTokenField(context.formToken)}
      <div class="field">
        <label for="reason">Reason</label>
        <p class="muted" id="reason-rule">${reasonRule(rule)}</p>
        ${reasonBox(view, rule)}
      </div>
      <p class="actions"><button class="button" data-variant="primary" type="submit">${actionLabel(
        preview.action,
      )}</button></p>
    </form>
  `;
}

/** A screen reader begins at the title, or at the field that was refused. */
function focusOn(view: PreviewView, place: "title" | "reason"): Markup | null {
  const wanted = view.typed ? "reason" : "title";
  return place === wanted
    ? html`
      autofocus
    `
    : null;
}

/** A text area takes its white space as it comes: no line end stands inside. */
function reasonBox(view: PreviewView, rule: ReasonRule): Markup {
  const { reason = "", error = null } = view.typed ?? {};
  const describedBy = error === null
    ? "reason-rule"
    : "reason-rule reason-error";
  const state = html`
    aria-invalid="${error === null ? "false" : "true"}"
  `;
  const required = rule.required
    ? html`
      required
    `
    : null;
  return html`
    <textarea id="reason" name="reason" rows="3" maxlength="${rule
      .maxCharacters}"
      aria-describedby="${describedBy}"
      ${state}${required}${focusOn(view, "reason")}>${echo(reason)}</textarea>
    ${error && html`<p class="field-error" id="reason-error">${error}</p>`}
  `;
}

function reasonRule({ required, minCharacters }: ReasonRule): Plain {
  return required
    ? text`Required, at least ${minCharacters} characters. Who reads the audit later will want to know why.`
    : text`Optional. Who reads the audit later will want to know why.`;
}

/** A closed preview always has a way on: what it did, or a fresh one. */
function wayOut({ preview }: PreviewView, context: PreviewContext): Markup {
  const { paths, show, formToken } = context;
  const { auditId, action, target } = preview;
  const reason = preview.reason !== null &&
    definitions([[
      text`Rendered Reason`,
      show("reason", preview.reason, target),
    ]]);
  const params = Object.entries(preview.params).map(([name, value]) =>
    [name, String(value ?? "")] as const
  );
  return html`
    ${reason === false ? null : reason}
    <div class="actions">
      ${auditId &&
        html`
          <a class="button" data-variant="primary"
            href="${paths.auditEvent(auditId)}">See audit event ${auditId}</a>
        `}
      ${preview.status === "consumed" ? null : previewButton({
        action,
        targetId: target.id,
        label: text`Make a fresh preview`,
        params,
      }, { paths, formToken })}
    </div>
  `;
}

function withdrawal(
  view: PreviewView,
  { context, back }: { readonly context: PreviewContext; readonly back: Href },
): Markup {
  const { paths, formToken } = context;
  const action = paths.previewWithdrawals(view.token);
  const close = view.inDialog
    ? html`
      <form
        method="dialog"><button class="button" data-variant="quiet">Close</button></form>
    `
    : html`<a class="button" data-variant="quiet" href="${back}">Back</a>`;
  return html`
    <footer class="actions preview-foot">
      ${close}
      ${view.preview.status === "ready"
        ? html`
          <form method="post" action="${action}">
            ${formTokenField(formToken)}
            <button class="button" data-variant="quiet" type="submit">Withdraw this preview</button>
          </form>
        `
        : null}
    </footer>
  `;
}
