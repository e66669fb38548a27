import { operatorApi } from "../../../src/control/operator.ts";
import { controlOf, OPERATOR } from "../../support/control_world.ts";
import { untilAllFull, watchAdmissions } from "../admissions.ts";
import { enqueueLimited, IN_ALL, KEYS, manyArgs } from "../limited_work.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";
import { killLimited, mustAddUp, startWorkers } from "./limited_killed.ts";

const REASON = "It is part of the chaos";

/** Operators change what holds while those die who are held by it. */
export const limitedReconfigured: Scenario = {
  name: "limited-reconfigured",
  about:
    "operators raise and lower limits, and cool them down, while processes " +
    "are killed: what is chosen holds within a second, and nothing waits for ever",
  async run(world) {
    await watchAdmissions(world);
    const jobs = world.scale({ short: 100, long: 2_000 });
    await enqueueLimited(world, "held", manyArgs(world, { jobs, msMax: 60 }));
    await startWorkers(world, [0, 1, 2]);
    const rounds = world.scale({ short: 2, long: 12 });
    let isOver = false;
    const operating = (async () => {
      const least = world.scale({ short: 2, long: 10 });
      for (let n = 0; n < least || !isOver; n++) await operate(world);
    })();
    try {
      for (let round = 1; round <= rounds; round++) {
        await killLimited(world, { round, share: 0.25 / rounds });
      }
    } finally {
      isOver = true;
      await operating;
    }
    await takeBack(world);
    await world.untilAllEnded();
    await untilAllFull(world);
    await mustAddUp(world);
  },
};

/** One choice, which holds for a while. */
async function operate(world: ChaosWorld): Promise<void> {
  const { random, measured } = world;
  const api = operatorApi(controlOf(world.db));
  const who = { actor: OPERATOR, reason: REASON };
  const name = random.pick([IN_ALL.name, "per_key"]);
  const act = random.pick(["scale", "scale", "cool", "coolOne"] as const);
  if (act === "scale") {
    const capacity = random.pick([1, 2, 3, 8, null]);
    await api.scaleLimiter({ ...who, name, capacity });
  } else {
    const key = act === "cool" ? {} : { key: random.pick(KEYS) };
    const place = { ...who, name: "per_key", ...key };
    await api.coolDownLimiter({ ...place, forMs: 3_600_000 });
    await pause(random.between(200, world.scale({ short: 700, long: 2_500 })));
    await api.clearLimiterCooldown(place);
  }
  measured[act] = (measured[act] ?? 0) + 1;
  await pause(random.between(200, world.scale({ short: 1_200, long: 2_500 })));
}

/** The capacities of the code hold again. */
async function takeBack(world: ChaosWorld): Promise<void> {
  const api = operatorApi(controlOf(world.db));
  const who = { actor: OPERATOR, reason: REASON };
  for (const name of [IN_ALL.name, "per_key"]) {
    await api.scaleLimiter({ ...who, name, capacity: 5 });
    await api.scaleLimiter({ ...who, name, capacity: null });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
