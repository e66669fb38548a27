import { assert } from "../assert.ts";
import {
  ARGS_VERSION_MAX,
  argsVersionOf,
  isArgsVersion,
} from "../domain/args_version.ts";
import type { JsonObject } from "./run_context.ts";

/**
 * Turns args of one version into those of the next. It runs before each attempt,
 * for the stored args stay as they are: the same args must give the same.
 */
export type Upgrade = {
  // A method, so that the args can be given the type that they had.
  upgrade(args: JsonObject): object | Promise<object>;
}["upgrade"];

/** By the version that they upgrade from, such as `{ 1: from1to2, 2: from2to3 }`. */
export type Upgrades = { readonly [from: number]: Upgrade };

/** What versions a worker knows. */
export interface Versioned {
  readonly name: string;
  readonly version: number;
  readonly upgrade: Upgrades;
}

/** @throws {TypeError} If versions and upgrades do not fit together. */
export function checkVersions({ name, version, upgrade }: Versioned): void {
  assert(
    isArgsVersion(version),
    `version of ${name} is a whole number from 1 to ${ARGS_VERSION_MAX}`,
  );
  const from = Object.keys(upgrade).map(Number).sort((a, b) => a - b);
  const [oldest = version] = from;
  assert(
    from.length === version - oldest &&
      from.every((each, index) => each === oldest + index && each >= 1),
    `upgrade of ${name} has one step for each version from the oldest to the ` +
      `one before ${version}`,
  );
  assert(
    Object.values(upgrade).every((step) => typeof step === "function"),
    `every upgrade of ${name} is a function`,
  );
}

/**
 * The args of a job in the version that its worker knows now.
 *
 * @throws What an upgrade threw; and an error that says so, if the args are older
 * than every upgrade, or an upgrade answers with no object.
 */
export async function upgradedArgs(
  { name, version, upgrade }: Versioned,
  { args, meta }: { readonly args: JsonObject; readonly meta: unknown },
): Promise<JsonObject> {
  let upgraded = args;
  for (let from = argsVersionOf(meta); from < version; from++) {
    const step = upgrade[from];
    if (step === undefined) {
      throw upgradeError(
        `its args have version ${from}, and ${name} knows version ${version} ` +
          `and no upgrade from ${from}`,
      );
    }
    const next: unknown = await step(upgraded);
    if (typeof next !== "object" || next === null || Array.isArray(next)) {
      throw upgradeError(
        `the upgrade of ${name} from version ${from} answered with no object`,
      );
    }
    upgraded = next as JsonObject;
  }
  return upgraded;
}

function upgradeError(what: string): Error {
  const error = new Error(`Cannot run the job: ${what}`);
  error.name = "ArgsVersionError";
  return error;
}
