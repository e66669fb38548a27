import assert from "node:assert/strict";
import { CONTENT_SECURITY_POLICY } from "../../src/web/headers.ts";
import { sql } from "../../src/db/sql.ts";
import { createWeb } from "../../src/web/app.ts";
import { boundedReader } from "../../src/web/bounded_reader.ts";
import {
  fakeDatabase,
  formTokenOf,
  only,
  post,
  webHost,
} from "../support/web_host.ts";

const HTMX = { "HX-Request": "true", "HX-Request-Type": "partial" };

/** A database that fails as `code` says. */
function broken(code: string) {
  return fakeDatabase(() => {
    throw Object.assign(new Error("secret of the driver"), { code });
  });
}

Deno.test("every answer carries the security headers", async () => {
  const host = webHost();
  const denied = webHost({ authorize: () => false });
  const away = webHost({ db: broken("ECONNREFUSED") });
  const answers = [
    [await host.request("/ops/jobs"), 200],
    [await host.request("/ops/jobs/nowhere"), 404],
    [await host.request("/ops/jobs/theme"), 405],
    [await host.request("/ops/jobs/theme", post({})), 403],
    [await denied.request("/ops/jobs"), 403],
    [await away.request("/ops/jobs"), 503],
  ] as const;
  for (const [answer, status] of answers) {
    const { headers } = answer;
    assert.equal(answer.status, status);
    assert.equal(
      headers.get("Content-Security-Policy"),
      CONTENT_SECURITY_POLICY,
    );
    assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
    assert.equal(headers.get("Referrer-Policy"), "same-origin");
    assert.equal(headers.get("Cross-Origin-Opener-Policy"), "same-origin");
    assert.equal(headers.get("Cache-Control"), "no-store");
    assert.match(headers.get("Vary") ?? "", /HX-Request/);
    await answer.body?.cancel();
  }
});

Deno.test("pages hold nothing that the policy forbids", async () => {
  const html = await (await webHost().request("/ops/jobs")).text();
  assert.doesNotMatch(
    html,
    /<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|js:/,
  );
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(html, /https?:\/\/(?!www\.w3\.org)/);
});

Deno.test("GET answers 403 to nobody, and shows no page", async () => {
  for (
    const currentActor of [
      () => null,
      () => {
        throw new Error("session store is away");
      },
      () => ({ id: "" }),
      () => ({ id: "x".repeat(201) }),
      () => "ada" as unknown as null,
    ]
  ) {
    const answer = await webHost({ currentActor }).request("/ops/jobs");
    assert.equal(answer.status, 403);
    const html = await answer.text();
    assert.match(html, /Nobody is signed in/);
    assert.doesNotMatch(html, /<nav|form_token/);
  }
});

Deno.test("GET hands nobody to the host's own page, and tells htmx to go there", async () => {
  const host = webHost({
    currentActor: () => null,
    onUnauthenticated: () =>
      new Response(null, { status: 302, headers: { Location: "/sign-in" } }),
  });

  const page = await host.request("/ops/jobs");
  assert.equal(page.status, 302);
  assert.equal(page.headers.get("Location"), "/sign-in");
  const part = await host.request("/ops/jobs", { headers: HTMX });
  assert.equal(part.status, 401);
  assert.equal(part.headers.get("HX-Redirect"), "/sign-in");
});

Deno.test("GET without the permission answers 403 and names it; there is no redirect", async () => {
  const host = webHost({ authorize: only(["view_jobs"]) });

  const answer = await host.request("/ops/jobs");

  assert.equal(answer.status, 403);
  const html = await answer.text();
  assert.match(html, /<code>view_overview<\/code>/);
  assert.match(html, /Olivia Ops/);
});

Deno.test("GET denies when authorize throws or answers anything but true", async () => {
  for (
    const answer of [
      () => {
        throw new Error("policy is away");
      },
      () => "yes" as unknown as boolean,
      () => 1 as unknown as boolean,
      () => Promise.reject(new Error("no")),
    ]
  ) {
    const host = webHost({ authorize: answer });
    assert.equal((await host.request("/ops/jobs")).status, 403);
  }
});

Deno.test("the navigation shows only pages that the actor may open", async () => {
  const host = webHost({ authorize: only(["view_overview", "view_audit"]) });

  const html = await (await host.request("/ops/jobs")).text();

  const [nav = ""] = /<nav class="nav"[\s\S]*?<\/nav>/.exec(html) ?? [];
  const labels = [...nav.matchAll(/<span>(\w+)<\/span>/g)].map(([, at]) => at);
  assert.deepEqual(labels, ["Overview", "Audit"]);
  assert.match(nav, /href="\/ops\/jobs"\s+aria-current="page"/);
});

Deno.test("an unknown path answers 404, HEAD answers as GET, other verbs 405 with Allow", async () => {
  const host = webHost();

  const missing = await host.request("/ops/jobs/nowhere/at/all");
  assert.equal(missing.status, 404);
  assert.match(await missing.text(), /There is nothing at this address/);

  const head = await host.request("/ops/jobs", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");

  const options = await host.request("/ops/jobs", { method: "OPTIONS" });
  assert.equal(options.status, 405);
  assert.equal(options.headers.get("Allow"), "GET, HEAD");
});

Deno.test("a page that is mounted elsewhere than its base path says both paths", async () => {
  const host = webHost({ basePath: "/ops/jobs", mountedAt: "/admin" });

  const answer = await host.request("/admin/jobs");

  assert.equal(answer.status, 500);
  const html = await answer.text();
  assert.match(html, /\/admin/);
  assert.match(html, /\/ops\/jobs/);
});

Deno.test("a host that takes the prefix away by itself gets links with the prefix", async () => {
  const host = webHost({ basePath: "/ops/jobs", mountedAt: "/" });

  const answer = await host.request("/");

  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /href="\/ops\/jobs\/jobs"/);
});

Deno.test("a fault tells the person what to do and the host what it was", async () => {
  const cases = [
    ["ECONNREFUSED", 503, /The database is away/],
    ["57P03", 503, /The database is away/],
    ["CONNECT_TIMEOUT", 503, /The database is away/],
    ["57014", 503, /The database took too long/],
    ["42P01", 503, /migrate up/],
    ["3F000", 503, /migrate up/],
    ["schema_version", 503, /migrate up/],
    ["22012", 500, /Something broke/],
  ] as const;
  for (const [code, status, words] of cases) {
    const host = webHost({ db: broken(code) });
    const answer = await host.request("/ops/jobs");
    assert.equal(answer.status, status, code);
    const html = await answer.text();
    assert.match(html, words);
    assert.doesNotMatch(html, /secret of the driver/);
    assert.ok(html.includes(String(host.faults[0]?.reference)), code);
  }
});

Deno.test("assets are served for ever under the hash of their content, to everybody", async () => {
  const host = webHost({ currentActor: () => null });
  const html = await (await host.request("/ops/jobs")).text();
  const files = [...html.matchAll(/"([^"]*\/_a\/[^"#]*)/g)].map(([, at]) =>
    String(at)
  );
  assert.ok(files.length > 0);

  for (const file of new Set(files)) {
    const answer = await host.request(file);
    assert.equal(answer.status, 200, file);
    assert.match(answer.headers.get("Cache-Control") ?? "", /immutable/);
    const etag = answer.headers.get("ETag") ?? "";
    await answer.body?.cancel();
    const again = await host.request(file, {
      headers: { "If-None-Match": etag },
    });
    assert.equal(again.status, 304);
  }
  assert.equal((await host.request("/ops/jobs/_a/app.css")).status, 404);
});

Deno.test("POST /theme remembers the theme in a cookie and goes back to our own page", async () => {
  const host = webHost();
  const form_token = await formTokenOf(await host.request("/ops/jobs"));

  const answer = await host.request(
    "/ops/jobs/theme",
    post({ form_token, theme: "dark", back: "/ops/jobs/audit?page=2" }),
  );

  assert.equal(answer.status, 303);
  assert.equal(answer.headers.get("Location"), "/ops/jobs/audit?page=2");
  const cookie = answer.headers.get("Set-Cookie") ?? "";
  assert.match(cookie, /^yardmaster_theme=dark; .*Path=\/ops\/jobs.*Secure/);
  const dark = await host.request("/ops/jobs", {
    headers: { Cookie: "yardmaster_theme=dark" },
  });
  assert.match(await dark.text(), /data-theme="dark"/);
  const odd = await host.request("/ops/jobs", {
    headers: { Cookie: "yardmaster_theme=x%22onload" },
  });
  assert.match(await odd.text(), /data-theme="auto"/);
});

Deno.test("a page is light: HTML, style and script compressed stay within their budgets", async () => {
  const host = webHost();
  const page = await (await host.request("/ops/jobs")).text();
  const sizes = { html: await compressed(page), css: 0, js: 0, other: 0 };
  for (
    const [, file = ""] of page.matchAll(/(?:href|src)="([^"#]*\/_a\/[^"#]*)"/g)
  ) {
    const size = await compressed(await (await host.request(file)).text());
    if (file.endsWith(".css")) sizes.css = size;
    else if (file.endsWith(".js")) sizes.js = size;
    else sizes.other += size;
  }
  assert.ok(sizes.html <= 10_000, JSON.stringify(sizes));
  assert.ok(sizes.css > 0 && sizes.css <= 10_000, JSON.stringify(sizes));
  assert.ok(sizes.js > 0 && sizes.js <= 18_000, JSON.stringify(sizes));
});

Deno.test("boundedReader() gives a slow statement up, and leaves the signal of others alone", async () => {
  const seen: (AbortSignal | undefined)[] = [];
  const reader = boundedReader({
    ...fakeDatabase(),
    query: (_, options) => {
      const signal = options?.signal;
      seen.push(signal);
      return new Promise((resolve, reject) => {
        if (signal === own.signal) return resolve([]);
        signal?.addEventListener("abort", () => reject(new Error("given up")));
      });
    },
  }, 1);
  const own = new AbortController();

  await assert.rejects(reader.query(sql`select pg_sleep(60)`), /given up/);
  await reader.query(sql`select 1`, { signal: own.signal });

  assert.deepEqual(seen.map((signal) => signal?.aborted), [true, false]);
});

Deno.test("GET of the base path with a slash at its end leads to the overview", async () => {
  const answer = await webHost().request("/ops/jobs/");
  assert.equal(answer.status, 308);
  assert.equal(answer.headers.get("Location"), "/ops/jobs");
});

Deno.test("createWeb() refuses a base path that is none", () => {
  const options = { basePath: "ops" } as Parameters<typeof createWeb>[0];
  assert.throws(() => createWeb(options), /Cannot use basePath "ops"/);
});

async function compressed(text: string): Promise<number> {
  const stream = new Blob([text]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return (await new Response(stream).arrayBuffer()).byteLength;
}
