import { Fingerprints } from "../../src/engine/fingerprints.ts";
import type { PrepareTools } from "../../src/engine/prepare.ts";
import { Sealer } from "../../src/engine/sealer.ts";

/** What a host has that brings no keys. */
export const NO_KEYS: PrepareTools = {
  fingerprints: new Fingerprints(),
  sealer: new Sealer(),
};
