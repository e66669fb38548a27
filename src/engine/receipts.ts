import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { receiptParts, type ReceiptRule } from "../domain/receipt.ts";
import { forgetReceipt, type JobReceipt } from "../store/receipts.ts";
import type { AnyWorker } from "./any_worker.ts";
import { checkOptions } from "./enqueue_options.ts";
import type { Fingerprints } from "./fingerprints.ts";
import { orTellSchema } from "./schema_fault.ts";
import { toStored } from "./stored_json.ts";
import type { Worker } from "./worker.ts";

/** What an idempotent call asked for: with its key, or else with its args. */
export type Asked<Input> =
  & {
    /** A handle on the host's own open transaction. */
    readonly database?: Database;
  }
  & ({ readonly idempotencyKey: string } | { readonly args: Input });

/** The receipts of idempotent enqueues. */
export interface ReceiptApi {
  /**
   * Forgets that something was asked for, so that the next call inserts a job. The
   * job that was the answer stays as it is.
   *
   * @returns Whether there was a receipt that still held.
   * @throws {TypeError} If no call could have asked for it.
   */
  forget<Input>(
    worker: Worker<Input, unknown>,
    asked: Asked<Input>,
  ): Promise<boolean>;
}

/** The receipts of a database. */
export function receiptApi(
  database: Database,
  fingerprints: Fingerprints,
): ReceiptApi {
  return {
    async forget(worker, { database: own = database, ...asked }) {
      const idempotencyKey = "idempotencyKey" in asked
        ? asked.idempotencyKey
        : undefined;
      const isByKey = idempotencyKey !== undefined;
      if (isByKey) {
        const [issue] = checkOptions({ idempotencyKey });
        assert(issue === undefined, `an idempotencyKey ${issue?.message}`);
      }
      const given = "args" in asked ? asked.args : undefined;
      const args = toStored(isByKey ? {} : given);
      assert(args.ok, `args ${args.ok ? "" : args.message}`);
      const key = idempotencyKey ?? null;
      const parts = receiptParts(
        { key, worker: worker.name },
        args.stored.value,
      );
      const forgetting = forgetReceipt(own, await fingerprints.of(parts.asked));
      // A transaction of the host's answers nothing any more once it failed.
      return own === database
        ? await orTellSchema(own, forgetting, "forget")
        : await forgetting;
    },
  };
}

/** The receipt that a job leaves by a rule. */
export async function receiptOf(
  { key, keepMs }: ReceiptRule,
  { worker, args, fingerprints }: {
    readonly worker: AnyWorker;
    readonly args: Readonly<Record<string, unknown>>;
    readonly fingerprints: Fingerprints;
  },
): Promise<JobReceipt> {
  const parts = receiptParts({ key, worker: worker.name }, args);
  if (parts.args === null) {
    const fingerprint = await fingerprints.of(parts.asked);
    return { fingerprint, argsDigest: null, keepMs };
  }
  const [fingerprint, argsDigest] = await Promise.all([
    fingerprints.of(parts.asked),
    fingerprints.of(parts.args),
  ]);
  return { fingerprint, argsDigest, keepMs };
}
