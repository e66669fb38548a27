import { type Bucket, bucketsOf } from "../../domain/overview.ts";
import { verdictOf } from "../../domain/overview_verdict.ts";
import type { OverviewFacts } from "../../domain/overview_facts.ts";
import {
  bucketCard,
  type BucketContext,
  type BucketLead,
} from "../components/bucket_card.ts";
import { numberText } from "../components/count.ts";
import { verdict } from "../components/panel.ts";
import { sentenceMarkup } from "../components/sentence.ts";
import { timeExact } from "../components/time.ts";
import type { Href } from "../render.ts";
import { html, type Markup, type Plain, text } from "../render.ts";

/** Where the buckets lead; `null` for pages that this actor may not open. */
export interface OverviewLinks {
  readonly jobs: Href | null;
  readonly failed: Href | null;
  readonly retryable: Href | null;
  readonly queues: Href | null;
  readonly limiters: Href | null;
  readonly cron: Href | null;
  readonly audit: Href | null;
}

/** The first page: a verdict, then the six buckets. */
export function overviewPage(
  facts: OverviewFacts,
  { context, links, refresh }: {
    readonly context: BucketContext;
    readonly links: OverviewLinks;
    /** This page, from which a refresh takes the buckets. */
    readonly refresh: Href;
  },
): Markup {
  return html`
    <div
      class="stack"
      id="overview"
      hx-get="${refresh}"
      hx-trigger="every 15s"
      hx-swap="innerMorph"
      hx-sync="this:drop"
    >
      ${overviewBody(facts, { context, links })}
    </div>
  `;
}

/** The part of the page that a refresh replaces. */
export function overviewBody(
  facts: OverviewFacts,
  { context, links }: {
    readonly context: BucketContext;
    readonly links: OverviewLinks;
  },
): Markup {
  const buckets = bucketsOf(facts);
  const { show, now } = context;
  const { tone, sentence } = verdictOf(facts, buckets);
  const words = {
    show,
    now,
    resource: { type: "page", id: "overview" },
  } as const;
  return html`
    <header class="page-head">
      <div>
        <h1>Overview</h1>
        <p>What needs attention, why, where to go next, and who owns that place.</p>
      </div>
      <p class="as-of">As of ${timeExact(now)}</p>
    </header>
    ${verdict({ tone, sentence: sentenceMarkup(sentence, words) })}
    <div class="buckets">${buckets.map((bucket) =>
      bucketCard(bucket, { context, leads: leadsOf(bucket, { facts, links }) })
    )}</div>
  `;
}

/**
 * The way on for a bucket, to the page where its first exemplar is dealt with;
 * and a second one to the limiters, which are many where a host has one for each
 * of its partners, and of which a bucket names three at most.
 */
function leadsOf(
  bucket: Bucket,
  seen: { readonly facts: OverviewFacts; readonly links: OverviewLinks },
): readonly BucketLead[] {
  const leads = [leadOf(bucket, seen), limitersLead(bucket, seen)]
    .filter((lead) => lead !== null);
  // One way is enough where both lead to the same place.
  return leads.filter(({ href }, index) =>
    !leads.slice(index + 1).some((other) => other.href === href)
  );
}

function limitersLead(
  { status }: Bucket,
  { facts: { limiters }, links }: {
    readonly facts: OverviewFacts;
    readonly links: OverviewLinks;
  },
): BucketLead | null {
  const cooling =
    limiters.filter(({ cooldownUntil }) => cooldownUntil !== null).length;
  const holding = limiters.length - cooling;
  if (status === "blocked" && holding > 0) {
    return lead(
      holding === 1
        ? text`Review the limiter that holds jobs back`
        : text`Review all ${numberText(holding)} limiters that hold jobs back`,
      links.limiters,
    );
  }
  if (status === "waiting" && cooling > 0) {
    return lead(
      cooling === 1
        ? text`Review the limiter that cools down`
        : text`Review all ${numberText(cooling)} limiters that cool down`,
      links.limiters,
    );
  }
  return null;
}

function leadOf(
  bucket: Bucket,
  { facts, links }: {
    readonly facts: OverviewFacts;
    readonly links: OverviewLinks;
  },
): BucketLead | null {
  const { status, total } = bucket;
  if (total === null || total.count === 0 && status !== "resolved") return null;
  switch (status) {
    case "needs_review":
      return facts.unwell.length > 0
        ? lead(text`Review executors`, links.queues)
        : facts.failures.length > 0
        ? lead(text`Review discarded jobs`, links.failed)
        : lead(text`Review cron entries`, links.cron);
    case "blocked":
      return bucket.exemplars[0]?.resource.type === "limiter"
        ? null
        : lead(text`Review blocked queues`, links.queues);
    case "waiting":
      return waitingLead(facts, links);
    case "runnable":
      return lead(text`Review runnable work`, links.queues ?? links.jobs);
    case "resolved":
      return lead(text`Review resolved continuity`, links.audit);
    case "bridge_only":
      return null;
  }
}

function waitingLead(
  { queues, limiters, paused, retryable }: OverviewFacts,
  links: OverviewLinks,
): BucketLead | null {
  if (queues.some(({ pausedAt }) => pausedAt !== null)) {
    return lead(text`Review paused queues`, links.queues);
  }
  if (paused.length > 0) {
    return lead(text`Review waiting cron entries`, links.cron);
  }
  const isCooling = limiters.some(({ cooldownUntil }) =>
    cooldownUntil !== null
  );
  return isCooling && retryable.count === 0
    ? null
    : lead(text`Review jobs that wait`, links.retryable);
}

function lead(label: Plain, href: Href | null): BucketLead | null {
  return href === null ? null : { label, href };
}
