/** What is taken out of args, and what is encrypted in them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type EncryptionKeys,
  keyProblems,
  KeyRing,
} from "../../src/domain/key_ring.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import {
  REDACTED_KEY,
  redactedFieldsOf,
  secretsOf,
  secretsProblem,
  withRedactedFields,
} from "../../src/domain/redaction.ts";
import {
  argsBinding,
  clearArgs,
  isSealed,
  parseUnknownKey,
  SEALED_KEY,
  sealedArgs,
  sealedPartOf,
  toSeal,
  unknownKeyMessage,
  unsealedArgs,
} from "../../src/domain/sealed_args.ts";
import {
  type JsonObject,
  putBack,
  secretPathsProblem,
  takeOut,
} from "../../src/domain/secret_paths.ts";
import { DecryptionError } from "../../src/errors.ts";

/** Few names, so that paths lead somewhere; and some that objects have anyway. */
const name = fc.constantFrom("a", "b", "c", "constructor", "0", "length");
const path = fc.array(name, { minLength: 1, maxLength: 4 })
  .map((names) => names.join("."));
const paths = fc.uniqueArray(path, { maxLength: 6 });
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const object = fc.dictionary(name, json, { maxKeys: 4, noNullPrototype: true })
  .map((value) => value as JsonObject);

Deno.test("takeOut() and putBack() give back any args, whatever the paths", () => {
  fc.assert(fc.property(object, paths, (args, some) => {
    const before = JSON.stringify(args);
    const { left, parts } = takeOut(args, some);
    assert.equal(JSON.stringify(args), before, "the args stay as they are");
    // Through JSON, as they are stored.
    const [storedLeft, storedParts] = JSON.parse(JSON.stringify([left, parts]));
    assert.deepEqual(putBack(storedLeft, storedParts), args);
  }));
});

/** Every value at a path, with each list that is met gone through. */
function valuesAt(value: unknown, names: readonly string[]): unknown[] {
  const [first, ...rest] = names;
  if (first === undefined) return [value];
  if (Array.isArray(value)) {
    return value.flatMap((each) => valuesAt(each, names));
  }
  if (typeof value !== "object" || value === null) return [];
  if (!Object.hasOwn(value, first)) return [];
  return valuesAt((value as JsonObject)[first], rest);
}

Deno.test("takeOut() leaves nothing at any path, and says at which there was something", () => {
  fc.assert(fc.property(object, paths, (args, some) => {
    const { left, paths: found, parts } = takeOut(args, some);
    for (const each of some) {
      assert.deepEqual(valuesAt(left, each.split(".")), []);
    }
    assert.equal(parts.length === 0, found.length === 0);
    assert.ok(found.every((each) => some.includes(each)));
  }));
});

Deno.test("what was redacted is nowhere in the text that is stored", () => {
  const secret = "5tr1ctly-s3cr3t";
  const withSecrets = fc.tuple(object, paths).map(([args, some]) => {
    // Every value at a path becomes the secret.
    const { left, parts } = takeOut(args, some);
    const secrets = parts.map(([way]) => [way, { deep: [secret] }] as const);
    return { args: putBack(left, secrets), some, hidden: parts.length };
  });
  fc.assert(fc.property(withSecrets, ({ args, some, hidden }) => {
    assert.equal(JSON.stringify(args).includes(secret), hidden > 0);
    assert.ok(!JSON.stringify(takeOut(args, some).left).includes(secret));
  }));
});

Deno.test("a path goes on in every element of a list", () => {
  const args = {
    cards: [{ number: "1", kind: "x" }, "none", [{ number: "2" }]],
  };
  const { left, paths: found } = takeOut(args, ["cards.number", "other"]);
  assert.deepEqual(left, { cards: [{ kind: "x" }, "none", [{}]] });
  assert.deepEqual(found, ["cards.number"]);
});

Deno.test("putBack() writes to no place that is not there, and to no prototype", () => {
  const bad = [["__proto__"], ["a", "b"], [0], ["__proto__", "x"], []];
  for (const way of bad) {
    assert.throws(() => putBack({ a: "text" }, [[way, 1]]), TypeError);
  }
  assert.equal(({} as { x?: unknown }).x, undefined);
});

Deno.test("secretPathsProblem() refuses what is no list of paths", () => {
  assert.equal(secretPathsProblem(["token", "card.number"]), null);
  const deep = Array(11).fill("a").join(".");
  const bad = ["token", [""], ["a..b"], ["a."], ["__proto__"], [
    "a.__proto__.b",
  ]]
    .concat([["a\0"], [deep], ["x".repeat(201)], ["a", "a"]]);
  for (const each of [...bad, [1], null, Array.from({ length: 51 }, String)]) {
    assert.notEqual(secretPathsProblem(each), null, JSON.stringify(each));
  }
});

Deno.test("secretsProblem() finds what a limiter could not read, either way round", () => {
  const limiter = defineLimiter({
    name: "api",
    rate: { capacity: 1, perMs: 1_000 },
    partitionBy: "customer.id",
    weight: "size",
  });
  const problem = (given: Parameters<typeof secretsOf>[0]) =>
    secretsProblem(secretsOf(given)!, [limiter]);
  for (const hit of ["customer", "customer.id", "customer.id.x", "size"]) {
    assert.equal(problem({ redact: [hit] })?.option, "redact", hit);
    assert.equal(problem({ encrypt: [hit] })?.option, "encrypt", hit);
  }
  assert.equal(problem({ encrypt: true })?.option, "encrypt");
  assert.equal(problem({ redact: ["customerId"], encrypt: ["c"] }), null);
  assert.equal(secretsProblem(secretsOf({ encrypt: true })!, []), null);
  const twice = secretsOf({ redact: ["card"], encrypt: ["card.number"] })!;
  assert.match(secretsProblem(twice, [])!.problem, /nothing is left/);
});

Deno.test("withRedactedFields() keeps the meta of a caller, but for our own key", () => {
  const meta = { by: "me", [REDACTED_KEY]: ["forged"] };
  assert.deepEqual(withRedactedFields(meta, ["b", "a"]), {
    by: "me",
    [REDACTED_KEY]: ["a", "b"],
  });
  assert.deepEqual(withRedactedFields(meta, []), { by: "me" });
  assert.deepEqual(redactedFieldsOf({ [REDACTED_KEY]: ["a"] }), ["a"]);
  for (const other of [null, 1, {}, { [REDACTED_KEY]: "a" }]) {
    assert.deepEqual(redactedFieldsOf(other), []);
  }
});

const keys: EncryptionKeys = {
  current: "new",
  keys: {
    new: btoa("n".repeat(32)),
    old: new Uint8Array(32).fill(7),
  },
};
const random = (length: number) =>
  crypto.getRandomValues(new Uint8Array(length));
const ring = new KeyRing(keys, random);

Deno.test("any args come back as they were after they were sealed with any key", async () => {
  const encrypt = fc.oneof(paths, fc.constant(true as const));
  await fc.assert(fc.asyncProperty(object, encrypt, async (args, some) => {
    const part = toSeal(args, { encrypt: some });
    if (part === null) return;
    const binding = argsBinding("pay", part.fields);
    const box = await ring.encrypt(part.plaintext, binding);
    const stored = JSON.parse(JSON.stringify(sealedArgs(part, box)));
    const sealed = sealedPartOf(stored);
    assert.ok(sealed !== null && isSealed(stored));
    assert.deepEqual(clearArgs(stored), part.clear);
    const text = await ring.decrypt(
      sealed,
      argsBinding("pay", sealed.fields),
    );
    assert.deepEqual(unsealedArgs(stored, text), args);
  }));
});

Deno.test("every encryption has an iv of its own", async () => {
  const boxes = await Promise.all(
    Array.from({ length: 100 }, () => ring.encrypt("same", "same")),
  );
  assert.equal(new Set(boxes.map(({ iv }) => iv)).size, 100);
  assert.equal(new Set(boxes.map(({ data }) => data)).size, 100);
});

Deno.test("decrypt() refuses what was changed, moved, or is of another key", async () => {
  const box = await ring.encrypt("secret", argsBinding("pay", ["ssn"]));
  const other = new KeyRing(
    { current: "new", keys: { new: new Uint8Array(32) } },
    random,
  );
  const flipped = {
    ...box,
    data: `${box.data[0] === "A" ? "B" : "A"}${box.data.slice(1)}`,
  };
  const attempts: readonly (() => Promise<string>)[] = [
    () => ring.decrypt(flipped, argsBinding("pay", ["ssn"])),
    () => ring.decrypt(box, argsBinding("refund", ["ssn"])),
    () => ring.decrypt(box, argsBinding("pay", ["card"])),
    () => ring.decrypt({ ...box, key: "old" }, argsBinding("pay", ["ssn"])),
    () => ring.decrypt({ ...box, iv: "AAAA" }, argsBinding("pay", ["ssn"])),
    () => ring.decrypt({ ...box, data: "%" }, argsBinding("pay", ["ssn"])),
    () => other.decrypt(box, argsBinding("pay", ["ssn"])),
  ];
  for (const attempt of attempts) {
    await assert.rejects(attempt(), (error) => {
      assert.ok(error instanceof DecryptionError);
      assert.equal(error.code, "decryption_failed");
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  }
  await assert.rejects(ring.decrypt({ ...box, key: "gone" }, ""), {
    code: "encryption_key_unknown",
    key: "gone",
  });
});

Deno.test("keyProblems() names each key that is wrong, and prints none of it", () => {
  assert.deepEqual(keyProblems(keys), []);
  const secret = "c2hvcnQ=";
  const problems = keyProblems({
    current: "missing",
    keys: { "a b": keys.keys.new, short: secret, long: new Uint8Array(33) },
  });
  assert.deepEqual(problems.map(({ path }) => path), [
    "keys",
    "keys.short",
    "keys.long",
    "current",
  ]);
  assert.ok(!JSON.stringify(problems).includes(secret));
  for (const none of [undefined, null, {}, { keys: [] }]) {
    assert.equal(keyProblems(none).length, 1);
  }
});

Deno.test("sealedPartOf() reads only what has our shape", () => {
  const part = { v: 1, key: "k", iv: "i", data: "d" };
  assert.deepEqual(sealedPartOf({ [SEALED_KEY]: part }), part);
  const bad = [null, "x", { ...part, v: 2 }, { ...part, key: "<b>" }]
    .concat([{ ...part, fields: ["", "x"] } as never]);
  for (const each of bad) {
    assert.equal(sealedPartOf({ [SEALED_KEY]: each }), null);
  }
  assert.equal(parseUnknownKey(unknownKeyMessage("2026-11")), "2026-11");
  assert.equal(parseUnknownKey("Error: no"), null);
});
