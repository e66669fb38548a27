/** The keys that encrypt args and outputs, as a host hands them in. */
import { type EncryptionKeys, keyProblems } from "./domain/key_ring.ts";
import { encrypts, type WorkerSecrets } from "./domain/redaction.ts";
import { ADVICE } from "./option_advice.ts";
import { described, type OptionProblems } from "./option_problems.ts";
import type { Reveal } from "./seams.ts";

/** Keys for workers that encrypt, and who may read what they encrypted. */
export interface EncryptionOptions extends EncryptionKeys {
  /** Whether a page may decrypt for somebody; never when left out. */
  readonly reveal?: Reveal;
}

/** Keys of the right shape; and that there are any, if a worker needs them. */
export function checkEncryption(
  given: Readonly<Record<string, unknown>>,
  problems: OptionProblems,
): void {
  const advice = ADVICE.encryption;
  const { encryption: value } = given;
  if (value === undefined) {
    const worker = encryptingWorkerOf(given);
    if (worker === null) return;
    const message = `is missing, and worker ${described(worker)} encrypts`;
    return problems.add("encryption", message, advice);
  }
  const encryption = problems.object("encryption", { value, advice });
  if (encryption === null) return;
  const known = ["current", "keys", "reveal"];
  problems.unknownKeys("encryption.", { value: encryption, known, advice });
  for (const { path, message } of keyProblems(encryption)) {
    problems.add(`encryption.${path}`, message, advice);
  }
  const { reveal } = encryption;
  const seam = { value: reveal, required: false, advice };
  problems.callable("encryption.reveal", seam);
}

/** Of the workers that this process knows, also through its cron entries. */
function encryptingWorkerOf(
  { workers, cron }: Readonly<Record<string, unknown>>,
): string | null {
  const entries = Array.isArray(cron) ? cron : [];
  const all: unknown[] = [
    ...Array.isArray(workers) ? workers : [],
    ...entries.map((entry) => (entry as { worker?: unknown } | null)?.worker),
  ];
  for (const each of all) {
    const { name, secrets, recordOutput } = (each ?? {}) as {
      readonly name?: string;
      readonly secrets?: WorkerSecrets | null;
      readonly recordOutput?: { readonly encrypt?: boolean } | null;
    };
    if (encrypts(secrets ?? null) || recordOutput?.encrypt === true) {
      return String(name);
    }
  }
  return null;
}
