/**
 * Loaded before each test file by `deno task test`. In CI, random worlds are the
 * same every time, so that a change is not refused for what chance found in
 * something else; everywhere else they are others, and a failure tells its seed.
 */
import fc from "fast-check";
import process from "node:process";

const SEED = 20_261_122;

if (process.env["CI"] === "true") fc.configureGlobal({ seed: SEED });
