import type { Service, ServicePass } from "./service.ts";

/** What may still be claimed, and what was, of all producers together. */
export interface ClaimBudget {
  /** The rest of what `tick()` may claim. */
  jobsLeft: number;
  /** Since this process began. */
  claimed: number;
}

/**
 * Asks those that share a budget, one after the other. Whoever claimed last is
 * asked last the next time, or the first would take a small budget each time.
 *
 * @param order Is changed.
 */
export async function askInTurn<T>(
  order: T[],
  { budget, ask }: {
    readonly budget: Pick<ClaimBudget, "claimed">;
    readonly ask: (one: T) => Promise<void>;
  },
): Promise<void> {
  for (const one of [...order]) {
    const before = budget.claimed;
    await ask(one);
    if (budget.claimed === before) continue;
    order.splice(order.indexOf(one), 1);
    order.push(one);
  }
}

/** Claims jobs for free slots, and is told when to look. */
export interface Producing extends Service, ClaimBudget {
  /** A hint that there is work in these queues; an empty list is all of them. */
  notice(queues: readonly string[]): void;
  /**
   * A slot of this queue became free.
   *
   * @returns Whether a claim follows.
   */
  hungry(queue: string): boolean;
  /** There is room for what was held up, whatever the queue. */
  roomy(): void;
}

/**
 * Several producers as one: each claims for its own workers, because what they
 * ask for is counted differently.
 */
export class Producers implements Producing {
  readonly name = "producer";
  /** In the order in which they are asked when they share a budget. */
  readonly #producers: Producing[];
  jobsLeft = Infinity;
  claimed = 0;

  /** @param make Each is to count in the budget that it is given. */
  constructor(make: (budget: ClaimBudget) => readonly Producing[]) {
    this.#producers = [...make(this)];
  }

  notice(queues: readonly string[]): void {
    for (const producer of this.#producers) producer.notice(queues);
  }

  hungry(queue: string): boolean {
    let follows = false;
    for (const producer of this.#producers) {
      if (producer.hungry(queue)) follows = true;
    }
    return follows;
  }

  roomy(): void {
    for (const producer of this.#producers) producer.roomy();
  }

  async runOnce(): Promise<ServicePass> {
    const passes = Number.isFinite(this.jobsLeft)
      ? await this.#inTurn()
      : await this.#together();
    const nextInMs = passes.flatMap((pass) => pass.nextInMs ?? []);
    return {
      worked: passes.some((pass) => pass.worked),
      ...(nextInMs.length > 0 && { nextInMs: Math.min(...nextInMs) }),
    };
  }

  /** What one claims, the next may not. */
  async #inTurn(): Promise<ServicePass[]> {
    const passes: ServicePass[] = [];
    await askInTurn(this.#producers, {
      budget: this,
      ask: async (producer) => void passes.push(await producer.runOnce()),
    });
    return passes;
  }

  /** No one waits for the claim of another before its own is sent. */
  async #together(): Promise<ServicePass[]> {
    const answers = await Promise.allSettled(
      this.#producers.map((producer) => producer.runOnce()),
    );
    return answers.map((answer) => {
      if (answer.status === "rejected") throw answer.reason;
      return answer.value;
    });
  }
}
