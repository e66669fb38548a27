import {
  isSealedOutput,
  sealedOutputPart,
} from "../../domain/sealed_output.ts";
import { TERMINAL_STATES } from "../../domain/state.ts";
import type { JobFacts } from "../job_facts.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { numberText } from "./count.ts";
import { jsonView } from "./json_view.ts";
import { panel } from "./panel.ts";
import { sealedNote } from "./sealed_note.ts";
import { definitions } from "./table.ts";
import { timeBoth } from "./time.ts";

/** What a run of the job left, until when, or why there is nothing to see. */
export function jobOutput(facts: JobFacts): Markup {
  const { job, now } = facts;
  const { outputAt, outputExpiresAt, outputAttempt, outputBytes } = job;
  const title = text`Recorded output`;
  if (outputAt === null || outputExpiresAt === null) {
    const body = html`<p class="muted">${whyNone(facts)}</p>`;
    return panel({ id: text`output`, title, body });
  }
  const isExpired = outputExpiresAt <= now;
  const body = html`
    ${definitions([
      [text`Attempt`, outputAttempt],
      [
        text`Size`,
        outputBytes === null ? null : text`${numberText(outputBytes)} bytes`,
      ],
      [text`Recorded`, timeBoth(outputAt, now)],
      [
        isExpired ? text`Expired` : text`Expires`,
        timeBoth(outputExpiresAt, now),
      ],
    ])} ${isExpired
      ? html`<p class="muted">It has expired and can not be read any more.</p>`
      : outputView(facts)}
  `;
  return panel({ id: text`output`, title, body });
}

/** What is encrypted never reaches the display policy, and no page. */
function outputView({ job, openedOutput: opened, show }: JobFacts): Markup {
  const resource = { type: "job", id: job.jobId } as const;
  const viewOf = (value: unknown) =>
    jsonView(show.block("output", value, resource));
  if (!isSealedOutput(job.output)) return viewOf(job.output);
  const part = sealedOutputPart(job.output);
  const note = sealedNote({ part, isOpened: opened !== null }, {
    show,
    resource,
  });
  return html`${opened === null ? null : viewOf(opened.value)} ${note}`;
}

function whyNone({ job: { state } }: JobFacts): Plain {
  if (!TERMINAL_STATES.some((terminal) => terminal === state)) {
    return text`None: the job has not ended.`;
  }
  return state === "completed"
    ? text`None: its worker records none, its run returned nothing, or what it returned could not be kept.`
    : text`None: only a completed run leaves an output.`;
}
