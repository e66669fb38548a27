import assert from "node:assert/strict";
import {
  ARGS_VERSION_KEY,
  argsVersionOf,
  newerArgsMessage,
  parseNewerArgs,
  withArgsVersion,
} from "../../src/domain/args_version.ts";

Deno.test("argsVersionOf() reads the note, and takes what is none for the first version", () => {
  assert.equal(argsVersionOf({ [ARGS_VERSION_KEY]: 3 }), 3);
  const nonsense = [
    {},
    null,
    "3",
    { [ARGS_VERSION_KEY]: "3" },
    {
      [ARGS_VERSION_KEY]: 0,
    },
    { [ARGS_VERSION_KEY]: 1.5 },
    { [ARGS_VERSION_KEY]: 1_001 },
  ];
  for (const meta of nonsense) assert.equal(argsVersionOf(meta), 1);
});

Deno.test("withArgsVersion() keeps other notes, and nobody else's under its key", () => {
  const meta = { by: "import", [ARGS_VERSION_KEY]: 9 };
  assert.deepEqual(withArgsVersion(meta, 2), {
    by: "import",
    [ARGS_VERSION_KEY]: 2,
  });
  assert.deepEqual(withArgsVersion(meta, 1), { by: "import" });
  const none = {};
  assert.equal(withArgsVersion(none, 1), none);
});

Deno.test("parseNewerArgs() reads what newerArgsMessage() wrote, and nothing else", () => {
  const newer = { version: 3, known: 2 };
  assert.deepEqual(parseNewerArgs(newerArgsMessage(newer)), newer);
  assert.equal(parseNewerArgs("Error: no connection"), null);
  assert.equal(parseNewerArgs(null), null);
});
