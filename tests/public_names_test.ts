/** What a host sees of us: every name, and what its editor says about it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AUDIT_RESULTS, AuditResult } from "../src/domain/audit.ts";
import type { LIMITER_POINTS, LimiterPoint } from "../src/domain/limiter.ts";
import type { PREVIEW_STATUSES, PreviewStatus } from "../src/domain/preview.ts";
import type {
  REPLACEABLE,
  Replaceable,
  UNIQUE_FIELDS,
  UniqueField,
} from "../src/domain/unique_key.ts";
import { ROOT } from "./support/sources.ts";

Deno.test("every public name has a sentence, and no signature a type that is hidden", async () => {
  const { exports } = JSON.parse(
    readFileSync(join(ROOT, "deno.json"), "utf8"),
  ) as { readonly exports: Readonly<Record<string, string>> };
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...Object.values(exports)],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
});

/** Does not compile unless the list holds every member of the union. */
type Whole<Union, List extends readonly unknown[]> = [
  Exclude<Union, List[number]>,
] extends [never] ? true : never;

Deno.test("a list beside a union holds all of it", () => {
  const whole: readonly true[] = [
    true satisfies Whole<AuditResult, typeof AUDIT_RESULTS>,
    true satisfies Whole<LimiterPoint, typeof LIMITER_POINTS>,
    true satisfies Whole<PreviewStatus, typeof PREVIEW_STATUSES>,
    true satisfies Whole<Replaceable, typeof REPLACEABLE>,
    true satisfies Whole<UniqueField, typeof UNIQUE_FIELDS>,
  ];
  assert.equal(whole.length, 5);
});
