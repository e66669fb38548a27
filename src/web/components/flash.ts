import { ACTIONS } from "../../domain/action.ts";
import type { Flash } from "../env.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { actionDone } from "../action_words.ts";
import { icon } from "./icon.ts";

/**
 * Where the result of the last request is told. It is always on the page, so
 * that a screen reader hears what is put into it later.
 */
export function flashRegion(flash: Flash | null, paths: Paths): Markup {
  return html`<div class="flash-region" id="flash" role="status">${
    flash && flashMessage(flash, paths)
  }</div>`;
}

function flashMessage(flash: Flash, paths: Paths): Markup | null {
  const sentence = flashSentence(flash.code);
  if (sentence === null) return null;
  const event = flash.auditId && html`
    <a href="${paths.auditEvent(flash.auditId)}">Audit event ${flash
      .auditId}</a>
  `;
  return html`<p class="flash">${
    icon("check", paths)
  }<span>${sentence} ${event}</span></p>`;
}

/** Codes are ours: the name of an action that was done, or one of these. */
function flashSentence(code: string): Plain | null {
  if (code === "withdrawn") {
    return text`The preview was withdrawn. Nothing was changed.`;
  }
  const action = ACTIONS.find((known) => known === code);
  return action === undefined ? null : actionDone(action);
}
