/** What `deno test --junit-path` says of the tests that it ran. */
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

/** How tests went. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, and how: said again at the end, where it is looked for. */
  readonly failures: string[];
}

/** So much of a failure is said again. */
const FAILURE_LINES = 30;
/** One that is older belongs to nobody any more. */
const LEFT_MS = 3_600_000;
const REPORT = /^junit-.*\.xml$/;

/** Nothing yet. */
export function noCounts(): Counts {
  return { passed: 0, failed: 0, skipped: 0, failures: [] };
}

/** Reads a report and takes it away; without one nothing was counted. */
export function takeReport(path: string): Counts {
  let report: string;
  try {
    report = readFileSync(path, "utf8");
  } catch {
    return noCounts();
  }
  rmSync(path, { force: true });
  return countReport(report);
}

/** Takes away the reports of runs that were ended before they could. */
export function sweepReports(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!REPORT.test(name)) continue;
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs === undefined || Date.now() - mtimeMs < LEFT_MS) continue;
    rmSync(path, { force: true });
  }
}

/** Counts the cases of a report, and names those that failed. */
export function countReport(report: string): Counts {
  const cases = report.split(/(?=<testcase\b)/).slice(1);
  const failures = cases.filter((each) => /<(failure|error)\b/.test(each));
  const skipped = cases.filter((each) => /<skipped\b/.test(each)).length;
  return {
    passed: cases.length - failures.length - skipped,
    failed: failures.length,
    skipped,
    failures: failures.map(describeFailure),
  };
}

/** A failed case of the report, as its file, its name and its first lines. */
function describeFailure(testcase: string): string {
  const [, name = "?"] = /\bname="([^"]*)"/.exec(testcase) ?? [];
  const [, file = "?"] = /\bclassname="([^"]*)"/.exec(testcase) ?? [];
  // What was under way when its process was ended has a message and no text.
  const [, message = "", text] =
    /<(?:failure|error)\b(?:[^>]*?\bmessage="([^"]*)")?[^>]*?(?:\/>|>([^]*?)<\/(?:failure|error)>)/
      .exec(testcase) ?? [];
  const lines = (text ?? message).trim().split("\n").slice(0, FAILURE_LINES);
  return unescapeXml([`${file}: ${name}`, ...lines].join("\n    "));
}

function unescapeXml(text: string): string {
  return text
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"').replaceAll("&apos;", "'")
    .replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
