/** What forensics says of a limiter: its posture, its history, and how sure. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { operatorApi } from "../../src/control/operator.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { sentenceWords } from "../../src/domain/sentence.ts";
import type { Bundle } from "../../src/forensics/bundle.ts";
import { collectBundle } from "../../src/forensics/collect.ts";
import { recordHistoryKeptFrom } from "../../src/store/evidence.ts";
import { controlOf, OPERATOR as actor } from "../support/control_world.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import {
  claimLimited,
  complete,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const FORENSICS = "resource_type=limiter&resource_id=per_customer";

async function bundleOf(db: TestDb, name = "per_customer"): Promise<Bundle> {
  return await collectBundle(db, {
    resource_type: "limiter",
    resource_id: name,
  });
}

function stateOf({ completeness }: Bundle, source: string) {
  return completeness.sources.find((each) => each.source === source)?.state;
}

Deno.test("a limiter is told from what holds its jobs back, then from what is used, then from its newest fact", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const executorId = await givenExecutor(db);
  assert.equal((await bundleOf(db)).diagnosis.code, "limiter_open");

  await givenWork(db, [1, 1, 1].map((customer) => ({ customer })));
  const jobs = await claimLimited(db, executorId);
  const holding = await bundleOf(db);
  assert.equal(holding.diagnosis.code, "limiter_holding");
  assert.deepEqual(
    holding.paths.map(({ step }) => step),
    [
      "review_subject",
      "cool_down_limiter",
      "scale_limiter",
      "inspect_audit",
      "tell_limit_owner",
    ],
  );
  assert.ok(
    holding.runbook.paths.some(({ step }) => step === "review_blocking_job"),
  );
  assert.deepEqual(
    holding.linked.map(({ relation }) => sentenceWords(relation)),
    ["Waits", "Holds it", "Holds it"],
  );

  const ended = await complete(db, executorId, jobs);
  const [last] = await claimLimited(db, executorId, { ended });
  assert.ok(last);
  const relieved = await bundleOf(db);
  assert.equal(relieved.diagnosis.code, "limiter_relieved");

  await givenWork(db, [{ customer: 1 }]);
  await claimLimited(db, executorId);
  assert.equal((await bundleOf(db)).diagnosis.code, "limiter_full");

  await db.query(sql`delete from yardmaster.worker_limits`);
  await complete(db, executorId, [last]);
  await db.query(sql`delete from yardmaster.limiter_grants`);
  assert.equal((await bundleOf(db)).diagnosis.code, "limiter_unnamed");
});

Deno.test("a cooldown is told first, with its author and reason, and can be ended from there", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const operator = operatorApi(controlOf(db));
  const asked = { actor, name: "per_customer", forMs: 60_000 };
  await operator.coolDownLimiter({
    ...asked,
    key: "7",
    reason: "Customer seven is moved",
  });
  const keyed = await bundleOf(db);
  assert.equal(keyed.diagnosis.code, "limiter_keys_cooling");
  await operator.coolDownLimiter({ ...asked, reason: "The API answers 429" });

  const cooling = await bundleOf(db);
  assert.equal(cooling.diagnosis.code, "limiter_cooling");
  assert.match(
    sentenceWords(cooling.diagnosis.detail),
    /as ops-demo asked for: The API answers 429/,
  );
  assert.ok(
    cooling.paths.some(({ step }) => step === "clear_limiter_cooldown"),
  );
  const told = cooling.chronology.filter(({ source }) =>
    source === "limiter_facts"
  );
  assert.deepEqual(
    told.map(({ label, notes }) =>
      [label, ...notes].map(sentenceWords).join(" ").replace(
        /\d{4}-\S+Z/,
        "then",
      )
    ),
    [
      "A cooldown began Cause: policy. Eligible again then. By ops-demo. Reason: The API answers 429",
      "A cooldown began Cause: policy. Key 7. Eligible again then. By ops-demo. Reason: Customer seven is moved",
    ],
  );
  assert.equal(cooling.continuity?.eventType, "limiter.cooled_down");
});

Deno.test("how complete the history of a limiter is follows from what retention let go", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const fresh = await bundleOf(db);
  assert.equal(fresh.completeness.state, "complete");

  db.advanceMs(90 * 86_400_000);
  await recordHistoryKeptFrom(db, { keepMs: 86_400_000 });
  const old = await bundleOf(db);
  assert.equal(stateOf(old, "limiter_facts"), "history_unavailable");
  assert.equal(old.completeness.state, "partial");

  const executorId = await givenExecutor(db);
  await givenWork(db, [1, 1, 1].map((customer) => ({ customer })));
  await claimLimited(db, executorId);
  const seen = await bundleOf(db);
  assert.equal(stateOf(seen, "limiter_facts"), "partial");
  assert.equal(stateOf(seen, "limiter_partitions"), "complete");

  const unknown = await bundleOf(db, "nobody");
  assert.equal(unknown.diagnosis.code, "subject_unknown");
  assert.equal(unknown.completeness.state, "unknown");
});

Deno.test("the page and the export tell the same, and no key that the policy hides", async () => {
  await using db = await testDb();
  const deep = defineLimiter({
    name: "per_customer",
    concurrency: 1,
    partitionBy: "customer.name",
  });
  await givenLimits(db, [deep]);
  await givenWork(db, [1, 2].map(() => ({ customer: { name: "sesame" } })));
  await claimLimited(db, await givenExecutor(db));
  for (const isHidden of [true, false]) {
    const visitor = webVisitor(db, {
      displayPolicy: (kind, value) =>
        kind !== "args"
          ? null
          : isHidden
          ? { ...Object(value), customer: { name: "•••" } }
          : value,
    });
    const page = await visitor.open(`/ops/jobs/forensics?${FORENSICS}`);
    assert.equal(page.status, 200);
    assert.match(page.text, /Diagnosis Summary Blocked Holds jobs back/);
    assert.match(page.text, /host-owned follow-up/);
    assert.match(page.text, /Limiter history/);
    assert.deepEqual(forbiddenIn(page.text), []);
    const data = await visitor.open(`/ops/jobs/forensics.json?${FORENSICS}`);
    const bundle = JSON.parse(data.html);
    assert.equal(bundle.diagnosis.code, "limiter_holding");
    assert.equal(bundle.subject.label, "1 at a time for each key");
    assert.equal(bundle.timeline.length, 1);
    assert.equal(bundle.completeness.state, "complete");
    const key = isHidden ? "•••" : "sesame";
    assert.ok(bundle.timeline[0].notes.includes(`Key ${key}.`));
    assert.equal(/sesame/.test(page.html + data.html), !isHidden);
  }
});
