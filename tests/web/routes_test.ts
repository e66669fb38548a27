import assert from "node:assert/strict";
import { createWeb } from "../../src/web/app.ts";
import { CONTENT_SECURITY_POLICY } from "../../src/web/headers.ts";
import { fakeDatabase, post, webHost } from "../support/web_host.ts";

/** Every address and verb that the pages answer, with something for each name. */
const ROUTES = routes();

Deno.test("every route answers 403 to nobody and to somebody who may do nothing, with all headers", async () => {
  const nobody = webHost({ currentActor: () => null });
  const denied = webHost({ authorize: () => false });
  for (const { method, path } of ROUTES) {
    for (const host of [nobody, denied]) {
      const init = method === "POST" ? post({}) : { method };
      const answer = await host.request(path, init);
      const html = await answer.text();
      // A preview says 404 to everybody but its creator.
      const closed = path.includes("/previews/") ? [403, 404] : [403];
      assert.ok(closed.includes(answer.status), `${path} ${answer.status}`);
      assert.doesNotMatch(html, /name="reason"|<table/, path);
      const { headers } = answer;
      const policy = headers.get("Content-Security-Policy");
      assert.equal(policy, CONTENT_SECURITY_POLICY, path);
      assert.equal(headers.get("Cache-Control"), "no-store", path);
    }
  }
});

Deno.test("every route reads nothing but the clock for somebody who may do nothing", async () => {
  const read: string[] = [];
  const db = fakeDatabase((text) => {
    read.push(text);
    return [];
  });
  const host = webHost({ db, authorize: () => false });
  for (const { method, path } of ROUTES) {
    if (method !== "GET" || path.includes("/previews/")) continue;
    await (await host.request(path)).body?.cancel();
  }
  assert.deepEqual(read, []);
});

Deno.test("every form route answers 403 to another site and to a form without our token", async () => {
  const host = webHost();
  const forms = ROUTES.filter(({ method }) => method === "POST");
  assert.ok(forms.length >= 4);
  for (const { path } of forms) {
    const foreign = post({}, { "Sec-Fetch-Site": "cross-site" });
    for (const init of [foreign, post({}), post({ form_token: "a" })]) {
      const answer = await host.request(path, init);
      assert.equal(answer.status, 403, path);
      await answer.body?.cancel();
    }
  }
});

Deno.test("every page has one title, one main landmark and a way past the navigation", async () => {
  const host = webHost();
  for (const { method, path } of ROUTES) {
    if (method !== "GET") continue;
    const answer = await host.request(path);
    const html = await answer.text();
    if (!/^\s*<!DOCTYPE/i.test(html)) continue;
    assert.equal(html.match(/<h1\b/g)?.length, 1, path);
    assert.equal(html.match(/<main\b/g)?.length, 1, path);
    assert.match(html, /class="skip" href="#main"/, path);
    assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:|hx-on/);
    assert.doesNotMatch(html, /undefined|\[object |NaN/, path);
  }
});

Deno.test("every route of a view asks for a permission of that name", async () => {
  for (const { method, path } of ROUTES) {
    if (method !== "GET" || path.includes("/previews/")) continue;
    const asked = new Set<string>();
    const host = webHost({
      authorize: (_, permission) => {
        asked.add(permission);
        return false;
      },
    });
    await (await host.request(path)).body?.cancel();
    assert.ok([...asked].some((name) => name.startsWith("view_")), path);
  }
});

function routes() {
  const options = {
    basePath: "/ops/jobs",
    database: fakeDatabase(),
  } as Parameters<typeof createWeb>[0];
  return createWeb(options).routes
    .filter(({ method, path }) =>
      ["GET", "POST"].includes(method) && !path.startsWith("/_a/")
    )
    .map(({ method, path }) => ({
      method,
      path: `/ops/jobs${
        path === "/" ? "" : path.replaceAll(/:\w+(\{.*?\})?/g, "7")
      }`,
    }));
}
