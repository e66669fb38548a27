import type { AuditEvent } from "../domain/audit.ts";
import { actorOf, resourceOf } from "./components/audit_rows.ts";
import { iso, type Show } from "./render.ts";

/** The forms in which the audit can be taken away. */
export const EXPORT_FORMATS = ["csv", "ndjson"] as const;
/** One of {@linkcode EXPORT_FORMATS}. */
export type ExportFormat = typeof EXPORT_FORMATS[number];

/** Events of one export. Whoever wants more asks for those before the last. */
export const EXPORT_EVENTS_MAX = 1_000;

const NAMES = [
  "id",
  "at",
  "event_type",
  "action",
  "result",
  "refusal",
  "resource_type",
  "resource_id",
  "actor",
  "principal_type",
  "reason",
  "before",
  "after",
  "previous_hash",
  "hash",
] as const;

/** The text of an export: every value as the page shows it, and no other. */
export function exportText(
  events: readonly AuditEvent[],
  { format, show }: { readonly format: ExportFormat; readonly show: Show },
): string {
  const rows = events.map((event) => exportRow(event, show));
  if (format === "ndjson") {
    return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  }
  const lines = rows.map((row) =>
    NAMES.map((name) => csvCell(row[name])).join(",")
  );
  return [NAMES.join(","), ...lines].map((line) => `${line}\r\n`).join("");
}

function exportRow(
  event: AuditEvent,
  show: Show,
): Record<typeof NAMES[number], string | null> {
  const resource = resourceOf(event);
  const snapshot = (value: unknown) =>
    value === null ? null : show("snapshot", value, resource);
  return {
    id: event.id,
    at: iso(event.at),
    event_type: event.eventType,
    action: event.action,
    result: event.result,
    refusal: event.refusal,
    resource_type: event.resourceType,
    resource_id: show("name", event.resourceId, resource),
    actor: actorOf(event, show),
    principal_type: event.principalType,
    reason: event.reason === null
      ? null
      : show("reason", event.reason, resource),
    before: snapshot(event.before),
    after: snapshot(event.after),
    previous_hash: event.previousHash,
    hash: event.hash,
  };
}

/**
 * A cell that a spreadsheet takes for text: one that begins like a formula gets
 * an apostrophe in front.
 */
function csvCell(value: string | null): string {
  if (value === null) return "";
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
