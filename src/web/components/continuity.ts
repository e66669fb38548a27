import { DIAGNOSES } from "../../domain/diagnosis.ts";
import { STEPS } from "../../domain/runbook_steps.ts";
import type { Bundle } from "../../forensics/bundle.ts";
import { code, html, type Markup, type Show, text } from "../render.ts";
import type { PathContext } from "./path_list.ts";
import { definitions } from "./table.ts";
import { timeAgo } from "./time.ts";

const PAGE = { type: "page", id: "forensics" } as const;

/**
 * What an operator last did, or tried to, and what it leads on to. The order of
 * the lines is the same wherever this is told.
 */
export function continuityBlock(
  { continuity, diagnosis, paths: list, subject }: Bundle,
  { paths, show, now, open }: PathContext & {
    readonly show: Show;
    readonly now: Date;
  },
): Markup | null {
  if (continuity === null) return null;
  const { auditId, eventType, attempt, reason, at } = continuity;
  const resource = subject.resource ?? PAGE;
  const [next] = list;
  const evidence = subject.resource && paths.forensics({
    resource_type: subject.resource.type,
    resource_id: subject.resource.id,
  });
  return html`
    <h3>Latest runbook continuity</h3>
    ${definitions([
      [text`Diagnosis`, text`${DIAGNOSES[diagnosis.code].title}`],
      [
        text`Legal next path`,
        next === undefined
          ? text`None from here`
          : text`${STEPS[next.step].label}`,
      ],
      [text`Venue`, text`Yardmaster-native`],
      [
        text`Attempt state`,
        html`${attempt} <span class="muted"><code>${code(eventType)}</code> ${
          timeAgo(at, now)
        }</span>`,
      ],
      [text`Reason`, show("reason", reason, resource)],
      [
        text`Evidence link`,
        evidence === null
          ? text`None`
          : html`<a href="${evidence}">This timeline</a>`,
      ],
      [
        text`Audit follow-up`,
        open.audit
          ? html`<a href="${
            paths.auditEvent(auditId)
          }">Audit event ${auditId}</a>`
          : text`Recorded in the audit`,
      ],
    ])}
  `;
}
