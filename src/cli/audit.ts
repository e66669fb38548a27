import { verifyAudit } from "../control/audit.ts";
import type { Database } from "../db/database.ts";
import { requireSchema } from "../db/migrate.ts";
import { AUDIT_FINDINGS, type AuditHead } from "../domain/audit.ts";
import { UsageError } from "./flags.ts";
import type { Report } from "./report.ts";

/** Recomputes the whole audit; an event that does not hold is a finding. */
export async function showAuditVerdict(
  db: Database,
  anchorText: string | null,
): Promise<Report> {
  const anchor = parseAnchor(anchorText);
  await requireSchema(db);
  const verdict = await verifyAudit(db, anchor === null ? {} : { anchor });
  if (!verdict.ok) {
    const { brokenAt, finding } = verdict;
    const said = `Event ${brokenAt} ${AUDIT_FINDINGS[finding]}.`;
    const line = `The audit does not hold: ${said}`;
    return { exit: 1, lines: [line], json: { ...verdict, message: said } };
  }
  const { events, head } = verdict;
  const counted = events === 1 ? "1 event" : `${events} events`;
  const lines = [
    `The audit holds: ${counted}, none edited, removed, moved or put in.`,
    `Head: ${head.id}:${head.hash}`,
    ...(anchor === null
      ? [HINT]
      : [`It goes on from the anchor ${anchor.id}.`]),
  ];
  return { exit: 0, lines, json: { ...verdict, anchored: anchor !== null } };
}

/** What a check of the database alone can not find, and what to do about it. */
const HINT = `Keep the head outside of this database, and give it later as ` +
  `--anchor: only then is it seen if somebody rewrote everything up to it.`;

/** Reads a head as it is printed: its number, a colon, its hash. */
function parseAnchor(text: string | null): AuditHead | null {
  if (text === null) return null;
  const match = /^(0|[1-9]\d{0,17}):([0-9a-f]{64})$/.exec(text);
  const [, id, hash] = match ?? [];
  if (id === undefined || hash === undefined) {
    throw new UsageError(
      `--anchor must be a head as "audit verify" prints it: 42:0a1b…`,
    );
  }
  return { id: id as `${bigint}`, hash };
}
