import {
  untilAllFull,
  watchAdmissions,
  whileNoneIsOverfull,
} from "../admissions.ts";
import { untilRecovered } from "../faults/recovery.ts";
import { enqueueLimited, manyArgs } from "../limited_work.ts";
import type { Scenario } from "../scenario.ts";
import { mustAddUp, startWorkers } from "./limited_killed.ts";

/** Lanes, grants and what is used are rows, and what runs goes on meanwhile. */
export const limitedDatabaseRestart: Scenario = {
  name: "limited-database-restart",
  about: "restarts and crashes of Postgres while jobs wait for limiters lose " +
    "none of them, and give no more than the limiters do",
  async run(world) {
    await watchAdmissions(world);
    const jobs = world.scale({ short: 80, long: 1_500 });
    const few = world.scale({ short: 20, long: 300 });
    await enqueueLimited(world, "held", manyArgs(world, { jobs, msMax: 20 }));
    for (const kind of ["bucket", "window"] as const) {
      const args = manyArgs(world, { jobs: few, msMax: 20 });
      await enqueueLimited(world, kind, args);
    }
    await whileNoneIsOverfull(world, async () => {
      const workers = [
        ...await startWorkers(world, [0, 1]),
        ...await startWorkers(world, [2], { driver: "node-postgres" }),
      ];
      const times = world.scale({ short: 1, long: 10 });
      for (let time = 1; time <= times; time++) {
        await world.untilMoreEnded(world.random.between(10, 30));
        await world.server.stop(time % 2 === 0 ? "fast" : "immediate");
        world.countFault();
        await world.server.start();
        const sinceMs = performance.now();
        await untilRecovered(world, { sinceMs, workers });
      }
      await world.untilAllEnded();
      await untilAllFull(world);
    });
    await mustAddUp(world);
  },
};
