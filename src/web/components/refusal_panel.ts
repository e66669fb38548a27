import type { Refused } from "../../control/refusal.ts";
import { nextStepLabel } from "../../control/refusal.ts";
import { code, type Href, html, type Markup, type Plain } from "../render.ts";

/**
 * Why a command did nothing, in a fixed order: outcome, reason, what is possible
 * now, where, and the code for whoever looks it up.
 */
export function refusalPanel(
  { refusal, message, legalNextSteps }: Refused,
  { venue, jobLink }: {
    readonly venue: Plain;
    /** Null: none, or not for this actor. */
    readonly jobLink: Href | null;
  },
): Markup {
  return html`
    <section class="refusal" aria-labelledby="refusal-title">
      <h1 id="refusal-title" tabindex="-1" autofocus>Nothing was changed</h1>
      <dl class="definitions">
        <div>
          <dt>Reason</dt>
          <dd>${ownWords(message)}${jobLink &&
            html`
              <a href="${jobLink}">Open that job</a>
            `}</dd>
        </div>
        <div>
          <dt>Legal next move</dt>
          <dd>${legalNextSteps.length === 0
            ? html`None from here`
            : html`<ul class="steps">${
              legalNextSteps.map((step) =>
                html`<li>${ownWords(nextStepLabel(step))}</li>`
              )
            }</ul>`}</dd>
        </div>
        <div>
          <dt>Venue</dt>
          <dd>${venue}</dd>
        </div>
        <div>
          <dt>Machine code</dt>
          <dd><code>${code(refusal)}</code></dd>
        </div>
      </dl>
    </section>
  `;
}

/** Refusals and steps are sentences of the control plane and hold no data. */
function ownWords(words: string): Plain {
  return words as Plain;
}
