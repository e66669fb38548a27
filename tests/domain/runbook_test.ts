import assert from "node:assert/strict";
import fc from "fast-check";
import { ACTIONS } from "../../src/domain/action.ts";
import { DIAGNOSES, type DiagnosisCode } from "../../src/domain/diagnosis.ts";
import { COMPLETENESSES } from "../../src/domain/evidence.ts";
import {
  BOUNDARIES,
  CAUTIONS,
  legalNextPaths,
  PREREQUISITES,
  runbookEntry,
  type RunbookFacts,
} from "../../src/domain/runbook.ts";
import {
  OWNER_LABELS,
  POSTURE_LABELS,
  STEPS,
} from "../../src/domain/runbook_steps.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";

const subject = { type: "job", id: "7" } as const;
const everywhere: RunbookFacts["targets"] = {
  subject: { page: "resource", resource: subject },
  queue: { page: "resource", resource: { type: "queue", id: "mail" } },
  executors: { page: "executors" },
  audit: { page: "audit", resource: subject },
  last_job: { page: "resource", resource: subject },
  blocking_job: { page: "resource", resource: subject },
  forensics: { page: "forensics" },
};

function facts(some: Partial<RunbookFacts>): RunbookFacts {
  return {
    diagnosis: "job_discarded",
    completeness: "complete",
    legal: ["retry_job"],
    targets: everywhere,
    prerequisites: {},
    cautions: [],
    ...some,
  };
}

const codes = Object.keys(DIAGNOSES) as DiagnosisCode[];

Deno.test("the owners and postures of a path are the words that pages promise", () => {
  assert.deepEqual(OWNER_LABELS, {
    native: "Yardmaster-native",
    bridge: "Read-only bridge",
    host: "host-owned follow-up",
  });
  assert.deepEqual(POSTURE_LABELS, {
    audited_action: "Audited action",
    inspection_only: "Inspection only",
    host_owned: "Host-owned",
  });
});

Deno.test("no text of a diagnosis or of a runbook claims what it can not know", () => {
  const texts = [
    ...Object.values(DIAGNOSES).flatMap(({ title, why }) => [title, why]),
    ...Object.values(STEPS).map(({ label }) => label),
    ...Object.values(PREREQUISITES).flatMap((words) => Object.values(words)),
    ...Object.values(CAUTIONS).flatMap(({ label, detail }) => [label, detail]),
    ...Object.values(BOUNDARIES),
    ...Object.values(OWNER_LABELS),
    ...Object.values(POSTURE_LABELS),
  ];

  const wrong = texts.flatMap((text) =>
    forbiddenIn(text, { advice: true }).map((rule) => `${text}: ${rule}`)
  );

  assert.deepEqual(wrong, []);
});

Deno.test("runbookEntry() evaluates its prerequisites from facts", () => {
  const entry = runbookEntry(facts({
    completeness: "partial",
    legal: [],
    prerequisites: { executor_alive: "missing", worker_known: "unknown" },
  }));

  assert.deepEqual(entry.prerequisites, [
    { code: "evidence_complete", state: "missing" },
    { code: "legal_action", state: "missing" },
    { code: "executor_alive", state: "missing" },
    { code: "worker_known", state: "unknown" },
  ]);
});

Deno.test("runbookEntry() cautions only where a caution applies", () => {
  const calm = facts({ diagnosis: "job_ready" });

  assert.deepEqual(runbookEntry(calm).cautions, []);
  assert.deepEqual(
    runbookEntry({ ...calm, completeness: "history_unavailable" }).cautions,
    ["degraded_evidence"],
  );
  assert.deepEqual(
    runbookEntry(facts({ cautions: ["may_repeat"] })).cautions,
    ["may_repeat", "host_step"],
  );
});

Deno.test("runbookEntry() offers no action that is not legal, and no page that does not exist", () => {
  const paths = runbookEntry(facts({ legal: [], targets: {} })).paths;

  assert.deepEqual(paths.map(({ step, target }) => [step, target]), [
    ["tell_worker_owner", null],
  ]);
});

Deno.test("runbookEntry() says of what is unknown nothing that one could do", () => {
  const entry = runbookEntry(facts({
    diagnosis: "subject_unknown",
    completeness: "unknown",
    legal: [],
  }));

  assert.ok(entry.paths.every(({ intent }) => intent === "investigate"));
  assert.ok(
    entry.paths.every(({ posture }) => posture === "inspection_only"),
  );
  assert.deepEqual(entry.prerequisites.map(({ state }) => state), [
    "unknown",
    "unknown",
  ]);
});

Deno.test("runbookEntry() keeps owner and posture apart, whatever the facts", () => {
  const any = fc.record({
    diagnosis: fc.constantFrom(...codes),
    completeness: fc.constantFrom(...COMPLETENESSES),
    legal: fc.subarray([...ACTIONS]),
  });
  fc.assert(fc.property(any, (some) => {
    const all = facts(some);
    const paths = [...runbookEntry(all).paths, ...legalNextPaths(all)];
    for (const { step, owner, posture, target } of paths) {
      // What is native has a page; what is the host's has none of ours.
      assert.equal(owner === "native", target !== null, step);
      assert.equal(owner === "host", posture === "host_owned", step);
      assert.ok(posture !== "audited_action" || owner === "native", step);
    }
    assert.equal(
      new Set(legalNextPaths(all).map(({ step }) => step)).size,
      legalNextPaths(all).length,
    );
  }));
});

Deno.test("legalNextPaths() names every legal action, recommended or not", () => {
  const paths = legalNextPaths(facts({ legal: ["retry_job", "cancel_job"] }));

  assert.deepEqual(paths.map(({ step }) => step), [
    "review_subject",
    "retry_job",
    "cancel_job",
    "inspect_audit",
    "tell_worker_owner",
  ]);
});
