/** One Chromium for the calling test file, and eyes on what its pages do. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const START_LIMIT_MS = 30_000;
/** Longer than this nothing on a page of ours takes, on a busy machine either. */
const WAIT_LIMIT_MS = 30_000;
/** Longer than this is a hang, also on a machine that does other things. */
const TEST_LIMIT_MS = 150_000;

/** The Chromium of this machine; `null` if there is none. */
export function findChromium(): string | null {
  const given = process.env["CHROMIUM"];
  if (given) return given;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const candidates = PROGRAMS.flatMap((name) =>
    ["/usr/bin", ...folders].map((folder) => join(folder, name))
  );
  return candidates.find((path) => existsSync(path)) ?? null;
}

/** Starts Chromium; whoever calls closes it. */
export async function startChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) {
    throw new Error(
      `Cannot start a browser: there is no ${
        PROGRAMS.join(", ")
      } in /usr/bin ` +
        `or on the PATH; install chromium, or set CHROMIUM to its path`,
    );
  }
  return await chromium.launch({
    executablePath,
    args: FLAGS,
    timeout: START_LIMIT_MS,
  });
}

/** What the tests of one file share. */
export interface BrowserLane {
  /** Registers a test that needs the browser. */
  test(name: string, run: () => Promise<void>): void;
  /** A tab of its own: no cookie, no cache of another. */
  open(options: TabOptions): Promise<Tab>;
}

/**
 * Starts one Chromium for the calling test file. Where there is none, its tests
 * are skipped and say so; in CI they fail.
 */
export function useBrowser(): BrowserLane {
  // Chromium is a process with two pipes, and Playwright keeps timers: both live
  // from before the first test until after the last, which sanitizers call leaks.
  Deno.test.sanitizer({ ops: false, resources: false });

  const missing = findChromium() === null && process.env["CI"] !== "true";
  if (missing) {
    console.log("Skipped the tests in a browser: there is no Chromium here");
  }
  let browser: Browser | undefined;
  Deno.test.beforeAll(async () => {
    if (!missing) browser = await startChromium();
  });
  Deno.test.afterAll(() => browser?.close());
  return {
    test: (name, run) =>
      Deno.test({ name, ignore: missing, fn: () => within(run) }),
    open: async (options) => {
      if (browser === undefined) throw new Error("Open it inside a test");
      return await Tab.open(browser, options);
    },
  };
}

/** A page that hangs would hold up all other tests. */
async function within(run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const seconds = TEST_LIMIT_MS / 1000;
    const error = new Error(`The test was not over after ${seconds} seconds`);
    timer = setTimeout(() => reject(error), TEST_LIMIT_MS);
  });
  try {
    await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How a tab differs from a person's at a desk. */
export interface TabOptions extends BrowserContextOptions {
  /** Where the pages are; a request to anywhere else is a fault. */
  readonly origin: string;
  /** Answers of which the browser complains, and that the test wants. */
  readonly expect?: readonly number[];
}

/**
 * A browser's tab. It remembers what must never happen: an error on the
 * console, a violation of the Content-Security-Policy, a script that throws, a
 * request to somewhere else.
 */
export class Tab implements AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly #faults: string[] = [];

  private constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
  }

  static async open(
    browser: Browser,
    { origin, expect = [], ...options }: TabOptions,
  ): Promise<Tab> {
    const context = await browser.newContext({
      baseURL: origin,
      viewport: { width: 1280, height: 800 },
      colorScheme: "light",
      reducedMotion: "reduce",
      ...options,
    });
    context.setDefaultTimeout(WAIT_LIMIT_MS);
    await context.addInitScript(reportViolations);
    const tab = new Tab(context, await context.newPage());
    tab.#watch(origin, expect);
    return tab;
  }

  #watch(origin: string, expect: readonly number[]): void {
    const wanted = expect.map((status) =>
      `responded with a status of ${status} `
    );
    this.context.on("console", (message) => {
      const text = message.text();
      if (!["error", "warning"].includes(message.type())) return;
      if (wanted.some((part) => text.includes(part))) return;
      this.#faults.push(`${message.type()} on the console: ${text}`);
    });
    this.context.on("weberror", (thrown) => {
      this.#faults.push(`thrown in a page: ${thrown.error().message}`);
    });
    this.context.on("request", (request) => {
      const url = request.url();
      if (url.startsWith(`${origin}/`) || url.startsWith("data:")) return;
      this.#faults.push(`a request to somewhere else: ${url}`);
    });
  }

  /** What happened since the last call and should not have. */
  takeFaults(): string[] {
    return this.#faults.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}

/** Runs in the page, before anything of ours. */
function reportViolations(): void {
  addEventListener("securitypolicyviolation", (event) => {
    const { violatedDirective, blockedURI, sample } =
      event as unknown as Record<string, string>;
    console.error(`Blocked ${violatedDirective}: ${blockedURI} ${sample}`);
  });
}
