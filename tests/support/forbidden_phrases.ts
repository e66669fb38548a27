/**
 * What a page with a runbook may never say: it claims what nobody here can know,
 * or names a product that is not ours.
 */
const ANYWHERE = [
  /completed remediation/i,
  /remediation (was |is )?(completed|executed|done)/i,
  /\balerts? (was |is |were )?(delivered|sent)/i,
  /alert delivery/i,
  /ticket (was |is )?created/i,
  /page (was |is )?sent/i,
  /runbook session/i,
  /persisted session/i,
  /\bwe (will execute|executed)\b/i,
  /\bchecklist\b/i,
  /bridge-only completed/i,
  /host-owned follow-up succeeded/i,
  /\bpagerduty\b|\bopsgenie\b|\bslack\b|\bvictorops\b/i,
  /\bcaused\b/i,
  /\boban\b/i,
  /\b(phase|milestone) \d/i,
  /out of scope|coming soon|not yet implemented/i,
];

/** What advice may not even come near to, on top of that. */
const IN_ADVICE = [/\bdeliver/i, /\bexecuted\b/i, /\bsession\b/i];

/** The patterns that a text breaks; empty if it is fine. */
export function forbiddenIn(
  text: string,
  { advice = false }: { readonly advice?: boolean } = {},
): string[] {
  const patterns = advice ? [...ANYWHERE, ...IN_ADVICE] : ANYWHERE;
  return patterns.filter((pattern) => pattern.test(text)).map(String);
}
