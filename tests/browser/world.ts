/** The demo host on a port of this machine, over a database of the test. */
import { createDemoHost } from "../../fixtures/ops_demo_host.ts";
import type { PersonId } from "../../fixtures/ops_demo.ts";
import type { Database } from "../../src/db/database.ts";
import type { Yardmaster } from "../../mod.ts";
import {
  type BrowserLane,
  type Tab,
  type TabOptions,
  useBrowser,
} from "../support/browser.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { givenShop, type Shop } from "./shop.ts";

/** Where the pages are. */
export const BASE = "/ops/jobs";

/** A host that listens, with a browser before it. */
export interface World extends AsyncDisposable {
  readonly db: Database;
  readonly origin: string;
  readonly yard: Yardmaster;
  readonly shop: Shop;
  /** A tab of somebody who is signed in; of nobody when `null`. */
  open(
    person: PersonId | null,
    options?: Partial<TabOptions>,
  ): Promise<Tab>;
  /** Takes everything away: the installation is as new. */
  clear(): Promise<void>;
  /** The cookies of somebody who is signed in. */
  cookie(person: PersonId): Promise<string>;
}

/** A server on a free port. */
export interface Listening extends AsyncDisposable {
  readonly origin: string;
}

/** Answers requests on a free port of this machine. */
export function listen(
  answer: (request: Request) => Response | Promise<Response>,
): Listening {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    answer,
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** One browser and one database for the calling file; a world for each test. */
export function useWorld() {
  const lane = useBrowser();
  const testPostgres = usePostgres();
  return {
    /** A test of a busy shop. */
    test(name: string, run: (world: World) => Promise<void>): void {
      lane.test(name, async () => {
        await using postgres = await testPostgres();
        await using world = await openWorld(postgres, lane);
        await run(world);
      });
    },
  };
}

async function openWorld(
  { db, reset }: TestPostgres,
  lane: BrowserLane,
): Promise<World> {
  const host = await createDemoHost({ database: db, sessionSecret: "secret" });
  // Declares what code declares. Nothing runs: what a test sees stays as it is.
  await host.yard.tick({ budgetMs: 60_000, maxJobs: 0 });
  const shop = await givenShop(db);
  const server = listen(host.fetch);
  const cookie = (person: PersonId) => sessionOf(server.origin, person);
  return {
    db,
    origin: server.origin,
    yard: host.yard,
    shop,
    clear: reset,
    cookie,
    open: async (person, options = {}) => {
      const tab = await lane.open({ origin: server.origin, ...options });
      if (person === null) return tab;
      const [name = "", value = ""] = (await cookie(person)).split("=");
      await tab.context.addCookies([{ name, value, url: server.origin }]);
      return tab;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await host.yard.stop();
    },
  };
}

async function sessionOf(origin: string, person: PersonId): Promise<string> {
  const answer = await fetch(`${origin}/sign-in`, {
    method: "POST",
    body: new URLSearchParams({ person }),
    redirect: "manual",
  });
  await answer.body?.cancel();
  return answer.headers.getSetCookie()[0]?.split(";")[0] ?? "";
}
