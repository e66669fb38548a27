import assert from "node:assert/strict";
import {
  createSigner,
  FORM_TOKEN_SPAN_MS,
  formTokenFor,
  isFormToken,
  judgeProvenance,
  type Provenance,
} from "../../src/web/csrf.ts";
import { formTokenOf, post, webHost } from "../support/web_host.ts";

const OURS = "https://host.example";
const now = new Date("2026-01-15T12:00:00Z");

function asked(given: Partial<Provenance>): Provenance {
  return {
    method: "POST",
    url: `${OURS}/ops/jobs/previews`,
    secFetchSite: null,
    origin: null,
    host: "host.example",
    ...given,
  };
}

/** Sec-Fetch-Site, Origin, and whether the request may go on. */
const MATRIX: readonly (readonly [string | null, string | null, boolean])[] = [
  ["same-origin", null, true],
  ["same-origin", OURS, true],
  // What the browser says of the page beats what stands in Origin.
  ["same-origin", "https://elsewhere.example", true],
  ["same-site", OURS, false],
  ["cross-site", OURS, false],
  ["cross-site", null, false],
  ["none", OURS, false],
  ["nonsense", OURS, false],
  [null, OURS, true],
  // TLS ended before us: the scheme is not compared, the host is.
  [null, "http://host.example", true],
  [null, "https://host.example:8443", false],
  [null, "https://evil.host.example", false],
  [null, "https://elsewhere.example", false],
  [null, "null", false],
  [null, "not a url", false],
  [null, null, false],
];

Deno.test("judgeProvenance() lets through what our own page sent, and nothing else", () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "TRACE"]) {
    for (const [secFetchSite, origin, ok] of MATRIX) {
      const verdict = judgeProvenance(asked({ method, secFetchSite, origin }));
      assert.equal(verdict.ok, ok, `${method} ${secFetchSite} ${origin}`);
    }
  }
});

Deno.test("judgeProvenance() asks nothing of requests that change nothing", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    assert.ok(
      judgeProvenance(asked({ method, secFetchSite: "cross-site" })).ok,
    );
  }
});

Deno.test("judgeProvenance() takes a foreign host only as an allowed origin, and says how", () => {
  const behindProxy = asked({
    url: "http://10.0.0.7:3000/ops/jobs/previews",
    host: "10.0.0.7:3000",
    origin: "https://ops.example",
  });

  const refused = judgeProvenance(behindProxy);
  assert.ok(!refused.ok);
  assert.match(refused.why, /https:\/\/ops\.example.*10\.0\.0\.7:3000/);
  assert.match(refused.why, /allowedOrigins/);
  assert.ok(judgeProvenance(behindProxy, ["https://ops.example"]).ok);
  assert.ok(
    !judgeProvenance({ ...behindProxy, secFetchSite: "cross-site" }, [
      "https://ops.example",
    ]).ok,
  );
});

Deno.test("isFormToken() knows its own token, for its actor and its hours", async () => {
  const signer = await createSigner("k".repeat(64));
  const token = await formTokenFor(signer, { actorId: "ada", now });
  const later = (spans: number) =>
    new Date(now.getTime() + spans * FORM_TOKEN_SPAN_MS);
  const check = (given: { actorId?: string; token?: string; now?: Date }) =>
    isFormToken(signer, { actorId: "ada", token, now, ...given });

  assert.ok(await check({}));
  assert.ok(await check({ now: later(1) }));
  assert.ok(!await check({ now: later(2) }));
  assert.ok(!await check({ now: later(-1) }));
  assert.ok(!await check({ actorId: "eve" }));
  for (const wrong of ["", token.slice(1), `${token}0`, token.toUpperCase()]) {
    assert.ok(!await check({ token: wrong }), wrong);
  }
  const other = await createSigner("j".repeat(64));
  assert.ok(!await isFormToken(other, { actorId: "ada", token, now }));
});

Deno.test("POST from another site answers 403 whatever its content type, before anybody is asked who it is", async () => {
  const host = webHost({
    currentActor: () => {
      throw new Error("asked");
    },
  });
  for (
    const type of ["text/plain", "application/json", "multipart/form-data"]
  ) {
    const answer = await host.request("/ops/jobs/previews", {
      method: "POST",
      body: "{}",
      headers: { "Content-Type": type, "Sec-Fetch-Site": "cross-site" },
    });
    assert.equal(answer.status, 403, type);
    assert.match(await answer.text(), /Sec-Fetch-Site: cross-site/);
  }
});

Deno.test("POST without the token of this actor answers 403 and says what to do", async () => {
  const host = webHost({
    currentActor: (request) => ({ id: request.headers.get("who") ?? "ada" }),
  });
  const token = await formTokenOf(await host.request("/ops/jobs"));
  const send = (form_token: string, who: string) =>
    host.request("/ops/jobs/theme", post({ form_token }, { who }));

  assert.equal((await send(token, "ada")).status, 303);
  const refused = await send(token, "eve");
  assert.equal(refused.status, 403);
  assert.match(await refused.text(), /Open the page again/);
  assert.equal((await send("", "ada")).status, 403);
});

Deno.test("POST of a form that is too large, malformed or of another type is refused with its status", async () => {
  const host = webHost();
  const send = (body: string | Uint8Array<ArrayBuffer>, type?: string) =>
    host.request("/ops/jobs/previews", {
      method: "POST",
      body,
      headers: {
        "Content-Type": type ?? "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
      },
    });

  assert.equal((await send(`reason=${"a".repeat(65_530)}`)).status, 413);
  assert.equal((await send("reason=%ff%fe")).status, 400);
  assert.equal((await send("reason=%zz")).status, 400);
  assert.equal((await send("reason=%00")).status, 400);
  assert.equal((await send(new Uint8Array([0x61, 0xff]))).status, 400);
  assert.equal((await send("a=1&".repeat(101))).status, 400);
  assert.equal((await send("{}", "application/json")).status, 415);
});
