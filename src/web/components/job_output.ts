import { TERMINAL_STATES } from "../../domain/state.ts";
import type { JobFacts } from "../job_facts.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { numberText } from "./count.ts";
import { jsonView } from "./json_view.ts";
import { panel } from "./panel.ts";
import { definitions } from "./table.ts";
import { timeBoth } from "./time.ts";

/** What a run of the job left, until when, or why there is nothing to see. */
export function jobOutput(facts: JobFacts): Markup {
  const { job, show, now } = facts;
  const { outputAt, outputExpiresAt, outputAttempt, outputBytes } = job;
  const title = text`Recorded output`;
  if (outputAt === null || outputExpiresAt === null) {
    const body = html`<p class="muted">${whyNone(facts)}</p>`;
    return panel({ id: text`output`, title, body });
  }
  const isExpired = outputExpiresAt <= now;
  const resource = { type: "job", id: job.jobId } as const;
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
      : jsonView(show.block("output", job.output, resource))}
  `;
  return panel({ id: text`output`, title, body });
}

function whyNone({ job: { state } }: JobFacts): Plain {
  if (!TERMINAL_STATES.some((terminal) => terminal === state)) {
    return text`None: the job has not ended.`;
  }
  return state === "completed"
    ? text`None: its worker records none, its run returned nothing, or what it returned could not be kept.`
    : text`None: only a completed run leaves an output.`;
}
