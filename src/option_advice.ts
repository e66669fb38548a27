import type { Advice } from "./option_problems.ts";

const PAGES = "before pages are mounted";
const START = "before the engine starts";

/** For each option an example to copy, and the moment at which it is needed. */
export const ADVICE = {
  database: {
    example: `database: postgresJs(postgres(DATABASE_URL)),`,
    needed: "before anything else",
  },
  reader: {
    example: `reader: postgresJs(postgres(REPLICA_URL)),`,
    needed: "when a page is shown",
  },
  workers: {
    example: `workers: [defineWorker({ name: "sync_customer", perform }),],`,
    needed: START,
  },
  middleware: {
    example: `middleware: [async (run, next) => await next()],`,
    needed: START,
  },
  queues: {
    example: `queues: { default: { limit: 10 }, sync: { limit: 5 } },`,
    needed: START,
  },
  cron: {
    example: `cron: [{
  name: "nightly_sync",
  expression: "0 2 * * *",
  timezone: "Etc/UTC",
  worker: nightlySync,
}],`,
    needed: START,
  },
  auth: {
    example: `auth: {
  currentActor: (request) => sessionOf(request)?.user ?? null,
  authorize: (actor, permission, resource) => isOperator(actor),
  auditPrincipal: (actor) => ({ id: actor.id, type: "user" }),
},`,
    needed: `${PAGES}, and before an operator acts`,
  },
  displayPolicy: {
    example: `displayPolicy: (kind, value, context) => null, // our default`,
    needed: PAGES,
  },
  basePath: { example: `basePath: "/ops/jobs",`, needed: PAGES },
  allowedOrigins: {
    example: `allowedOrigins: ["https://ops.example.com"],`,
    needed: "when a form is sent through a proxy that changes the host",
  },
  layout: {
    example: `layout: { title: "Shop", environment: "production" },`,
    needed: "when a page is shown",
  },
  escalation: {
    example: `escalation: async (facts, signal) => await tellOnCall(facts),`,
    needed: "never: nothing calls it",
  },
  runbook: {
    example: `runbook: (resource, diagnosis) =>
  ({ label: "Handbook", href: "https://handbook.example.com/jobs" }),`,
    needed: "when a page shows something that needs attention",
  },
  executor: {
    example:
      `executor: { heartbeatMs: 15_000, lateMs: 45_000, missingMs: 120_000 },`,
    needed: START,
  },
  retentionMs: {
    example: `retentionMs: 7 * 24 * 60 * 60 * 1_000,`,
    needed: START,
  },
  pollMs: { example: `pollMs: 1_000,`, needed: START },
  notify: { example: `notify: true,`, needed: START },
  coalesce: {
    example: `coalesce: true,`,
    needed: "when many jobs are enqueued one by one at the same time",
  },
  fingerprintKey: {
    example: `fingerprintKey: process.env.FINGERPRINT_KEY,`,
    needed: "when jobs with private args are unique or idempotent",
  },
  encryption: {
    example: `encryption: { current: "2026-11", keys: {
  "2026-11": process.env.ARGS_KEY_2026_11, // openssl rand -base64 32
} },`,
    needed: "when a worker that encrypts is enqueued or run",
  },
  onEvent: {
    example: `onEvent: (event) => counter.add(1, { type: event.type }),`,
    needed: "when the engine does something",
  },
  onError: {
    example: `onError: (error, where) => log.error({ error, where }),`,
    needed: "when something fails that nobody waits for",
  },
} as const satisfies Readonly<Record<string, Advice>>;
