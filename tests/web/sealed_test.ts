import assert from "node:assert/strict";
import { createSealer } from "../../src/web/sealed.ts";

const KEY = "k".repeat(64);

Deno.test("a seal opens in its place, under its key, and is the same each time", async () => {
  const sealer = await createSealer(KEY);
  for (const text of ["", "c41", "ä/?&=%#\u{1F600}", "x".repeat(200)]) {
    const sealed = await sealer.seal(text, "key of api");
    assert.match(sealed, /^[\w-]+$/);
    assert.equal(await sealer.seal(text, "key of api"), sealed);
    assert.equal(await sealer.unseal(sealed, "key of api"), text);
    assert.equal(await sealer.unseal(sealed, "key of mail"), null);
    const other = await createSealer("o".repeat(64));
    assert.equal(await other.unseal(sealed, "key of api"), null);
    assert.notEqual(await sealer.seal(text, "key of mail"), sealed);
  }
});

Deno.test("what was never sealed, or was changed by one letter, does not open", async () => {
  const sealer = await createSealer(KEY);
  const sealed = await sealer.seal("c41", "key");
  const changed = [...sealed].map((letter, index) =>
    sealed.slice(0, index) + (letter === "A" ? "B" : "A") +
    sealed.slice(index + 1)
  );
  // The last letter carries bits that mean nothing.
  for (
    const text of [
      "",
      "c41",
      "=",
      "a b",
      "x".repeat(9_999),
      ...changed.slice(0, -1),
    ]
  ) {
    assert.equal(await sealer.unseal(text, "key"), null, text);
  }
});
