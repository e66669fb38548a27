import assert from "node:assert/strict";
import type { DisplayPolicy } from "../../src/seams.ts";
import { createPaths } from "../../src/web/paths.ts";
import {
  HIDDEN,
  html,
  type Show,
  showTo,
  text,
  tokensOf,
} from "../../src/web/render.ts";

const actor = { id: "ops-demo" };
const job = { type: "job", id: "7" } as const;
const paths = createPaths("/ops/jobs");

function showWith(policy: DisplayPolicy, hidden: string[] = []): Show {
  return showTo(actor, { policy, onHidden: (kind) => hidden.push(kind) });
}

Deno.test("html does not compile with text that nobody has checked", () => {
  const name: string = "<b>";
  const pattern = `${name}!` as const;
  // @ts-expect-error: only a display policy turns a string into `Shown`
  html`<td>${name}</td>`;
  // @ts-expect-error: a pattern has room for user data
  html`<td>${pattern}</td>`;
  // @ts-expect-error: a boolean prints nothing; say `null`
  html`<td>${true}</td>`;
  // @ts-expect-error: an object prints as nothing that anybody wants
  html`<td>${{ name }}</td>`;
  // @ts-expect-error: a sentence takes what html takes
  text`${name}`;
});

Deno.test("html compiles with literals, numbers, ids, links, shown text and markup", () => {
  const state = "ready" as "ready" | "gone";
  const id = "7" as `${bigint}`;
  const show = showWith(() => null);

  const cell = html`<td>${state} ${7} ${id} ${null} ${
    show("name", "<a&b>", job)
  }
    <a href="${paths.jobs()}">${[html`<b>x</b>`, null]}</a></td>`;

  assert.match(
    String(cell),
    /<td>ready 7 7 {2}&lt;a&amp;b&gt;\s+<a href="\/ops\/jobs\/jobs"><b>x<\/b><\/a><\/td>/,
  );
});

Deno.test("showTo() prints names and reasons as they are, and of a payload its structure only", () => {
  const show = showWith(() => null);

  assert.equal(show("name", "default", job), "default");
  assert.equal(show("actor", { id: "u1", label: "Ada" }, job), "Ada");
  assert.equal(show("actor", { id: "u1", type: "user" }, job), "u1");
  assert.equal(show("reason", "  too many  ", job), "too many");
  assert.equal(show("reason", null, job), "No reason recorded");
  assert.equal(
    show("args", { to: "ada@example.com", n: 3, tags: ["a", "b"] }, job),
    '{ "to": text, "n": number, "tags": [ text, … ] }',
  );
  assert.equal(show("output", "a secret", job), "text, not shown");
  assert.equal(
    show.block("output", { ok: true }, job),
    '{\n  "ok": boolean\n}',
  );
});

Deno.test("showTo() shows no value of a payload, however deep it lies", () => {
  const show = showWith(() => null);
  const secret = "s3cr3t";
  const payload = { a: [{ b: { c: [[[[[secret]]]]] } }, secret, 5], d: secret };
  for (const kind of ["args", "meta", "output", "snapshot"] as const) {
    assert.doesNotMatch(show.block(kind, payload, job), /s3cr3t|5/);
  }
});

Deno.test("showTo() prints what a policy answers: text as it is, a value as JSON", () => {
  const show = showWith((kind, value) => kind === "reason" ? "***" : value);

  assert.equal(show("args", { n: 3 }, job), '{"n":3}');
  assert.equal(show.block("args", { n: 3 }, job), '{\n  "n": 3\n}');
  assert.equal(show("reason", "why", job), "***");
  assert.equal(show("actor", { id: "u1", label: "Ada" }, job), "Ada");
});

Deno.test("showTo() hides and counts when a policy throws or answers nonsense", () => {
  const loop: Record<string, unknown> = {};
  loop["loop"] = loop;
  const nonsense: readonly DisplayPolicy[] = [
    () => {
      throw new Error("the value itself");
    },
    () => undefined,
    () => Promise.resolve("too late"),
    () => () => "code",
    () => Symbol("x"),
    () => 10n,
    () => loop,
  ];
  for (const policy of nonsense) {
    const hidden: string[] = [];
    assert.equal(showWith(policy, hidden)("args", { n: 3 }, job), HIDDEN);
    assert.deepEqual(hidden, ["args"]);
  }
});

Deno.test("showTo() asks for an error once, and shows the parts that the policy answers", () => {
  const error = {
    message: "Card 4111 was declined\nsecond line",
    topFrame: "charge (file:///shop/card.ts:7:1)",
    stack: "Error: Card 4111 was declined\n    at charge",
  };
  const nothing = { message: HIDDEN, topFrame: null, stack: null };
  const answers: readonly (readonly [(value: unknown) => unknown, unknown])[] =
    [
      [(value) => value, error],
      [() => "declined", { ...nothing, message: "declined" }],
      [() => ({ message: "declined" }), { ...nothing, message: "declined" }],
      [() => ({ message: " ", stack: 5 }), {
        ...nothing,
        message: "No message",
      }],
      [() => null, { ...nothing, message: "text, not shown" }],
      [() => ({ status: 503 }), { ...nothing, message: '{"status":503}' }],
      [() => undefined, nothing],
      [() => Object.assign(Promise.resolve(), { message: "late" }), nothing],
      [() => {
        throw new Error("the value itself");
      }, nothing],
    ];
  for (const [answer, parts] of answers) {
    const asked: unknown[] = [];
    const show = showWith((_, value) => {
      asked.push(value);
      return answer(value);
    });
    assert.deepEqual(show.error(error, job), parts);
    assert.deepEqual(asked, [error]);
  }
});

Deno.test("tokensOf() cuts text into pieces that are the same text again", () => {
  const show = showWith(() => null);
  const shown = show.block("args", { a: "x", 'b"c': [1, { d: null }] }, job);

  const tokens = tokensOf(shown);

  assert.equal(tokens.map(({ text }) => text).join(""), shown);
  assert.deepEqual(
    tokens.filter(({ kind }) => kind === "key").map(({ text }) => text),
    ['"a"', '"b\\"c"', '"d"'],
  );
});

Deno.test("showTo() writes out what would turn the text around, wherever it stands", () => {
  const show = showWith((_, value) => value);
  const turned = "\u202eevil\u202c";
  const written = "\\u202eevil\\u202c";

  assert.equal(show("name", turned, job), written);
  assert.equal(
    show("args", { [turned]: turned }, job),
    `{"${written}":"${written}"}`,
  );
  assert.deepEqual(
    [...show.fields("args", { [turned]: turned }, job) ?? []],
    [[written, written]],
  );
  const part = { value: { key: turned }, path: ["key"] };
  assert.equal(show.part("args", part, job), written);
  const error = { message: turned, topFrame: turned, stack: turned };
  assert.deepEqual(show.error(error, job), {
    message: written,
    topFrame: written,
    stack: written,
  });
  const hebrew = "\u05e9\u05dc\u05d5\u05dd";
  assert.equal(show("name", hebrew, job), hebrew);
});

Deno.test("text counts as shown in one file only", async () => {
  const web = new URL("../../src/web/", import.meta.url);
  const casts: string[] = [];
  for (const folder of ["", "components/", "pages/", "routes/"]) {
    for await (const { name, isFile } of Deno.readDir(new URL(folder, web))) {
      if (!isFile || !name.endsWith(".ts") || name.endsWith(".gen.ts")) {
        continue;
      }
      const source = await Deno.readTextFile(new URL(folder + name, web));
      if (
        /\bas Shown\b|\bas unknown as Markup\b|(?<!String\.)\braw\(/.test(
          source,
        )
      ) {
        casts.push(folder + name);
      }
    }
  }
  assert.deepEqual(casts, ["render.ts"]);
});
