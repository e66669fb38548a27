import { sql } from "../../../src/db/sql.ts";
import type { Scenario } from "../scenario.ts";

/** The statement was carried out, and the process does not know. */
export const lostAnswers: Scenario = {
  name: "lost-answers",
  about:
    "a claim or an acknowledgement whose answer is lost runs nothing twice and burns no attempt",
  async run(world) {
    await world.enqueue(
      world.scale({ short: 200, long: 2_000 }),
      () => ({ ms: world.random.between(1, 20) }),
    );
    const moments = ["after_claim", "after_ack"] as const;
    const workers = await Promise.all(
      Array.from(
        { length: world.scale({ short: 2, long: 8 }) },
        (_, n) =>
          world.spawnWorker({
            name: `deaf-${n}`,
            stop: {
              moment: moments[n % 2] ?? "after_ack",
              time: world.random.between(1, 4),
              how: "lose",
            },
            // Patient: a stall of the machine must not look like a death.
            heartbeatMs: 500,
          }),
      ),
    );
    await Promise.all(workers.map((worker) => worker.line("stops")));
    for (const _ of workers) world.countFault();
    await world.measureRecovery(
      "all jobs have ended",
      async () => await world.ended() === world.jobIds.size,
    );
    const again = await world.db.query(sql`
      select from yardmaster.outcomes where attempt > 1
    `);
    if (again.length > 0) {
      throw new Error(`${again.length} attempts were burnt`);
    }
    const refused = await world.events("lost");
    if (refused > 0) throw new Error(`${refused} results were refused`);
    const executions = world.ledger().filter(({ what }) => what === "began");
    if (executions.length > world.jobIds.size) {
      throw new Error(`${executions.length} executions`);
    }
  },
};
