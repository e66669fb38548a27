import type { Database } from "../db/database.ts";
import type { KeyRing } from "../domain/key_ring.ts";
import {
  type EncryptionStatus,
  encryptionStatus,
  reencrypt,
  type Reencryption,
  type ReencryptOptions,
} from "./encryption.ts";

/** What is encrypted, and with which keys. */
export interface EncryptionApi {
  /**
   * Counts what is encrypted, by key. It reads all jobs and outputs: seconds for
   * a million.
   */
  status(): Promise<EncryptionStatus>;
  /**
   * Encrypts with the current key what older ones encrypted: jobs and outputs
   * that are kept, and cron entries. May run while jobs do, and be stopped and
   * called again.
   *
   * @throws {Error} If there is no option `encryption`.
   */
  reencrypt(options?: ReencryptOptions): Promise<Reencryption>;
}

/** Joins the two with a host's keys. */
export function encryptionApi(
  db: Database,
  ring: KeyRing | null,
): EncryptionApi {
  return {
    status: () => encryptionStatus(db, ring),
    reencrypt: async (options = {}) => {
      if (ring === null) {
        throw new Error(
          `Cannot encrypt again: the option "encryption" is missing`,
        );
      }
      return await reencrypt(db, { ...options, ring });
    },
  };
}
