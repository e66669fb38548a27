import type { DisplayKind, ResourceRef } from "../../seams.ts";
import { type Fact, isSentence, type Sentence } from "../../domain/sentence.ts";
import {
  html,
  iso,
  lineOf,
  type Markup,
  type Plain,
  type Show,
  type Shown,
} from "../render.ts";
import type { LinkTo } from "../links.ts";
import { timeAgo } from "./time.ts";

/** What printing a sentence depends on. */
export interface SentenceContext {
  readonly show: Show;
  /** What the sentence is about, for the display policy. */
  readonly resource: ResourceRef;
  readonly now: Date;
  /** Where given, names of things lead to their pages. */
  readonly linkTo?: LinkTo;
}

/** A sentence as a page prints it: every value through the display policy. */
export function sentenceMarkup(
  { pieces, facts }: Sentence,
  context: SentenceContext,
): Markup {
  return html(pieces, ...facts.map((fact) => factMarkup(fact, context)));
}

function factMarkup(fact: Fact, context: SentenceContext): Markup {
  if (typeof fact === "number") return html`${fact}`;
  if (typeof fact === "string") return html`${fact}`;
  if (fact instanceof Date) return timeAgo(fact, context.now);
  if (isSentence(fact)) return sentenceMarkup(fact, context);
  const resource = fact.of ?? context.resource;
  const shown = fact.kind === "error"
    ? lineOf(context.show.error(fact.value, resource).message, ERROR_MAX)
    : valueShown(fact, { show: context.show, resource });
  const href = fact.of === undefined ? null : context.linkTo?.(fact.of) ?? null;
  return href === null
    ? html`<span class="value">${shown}</span>`
    : html`<a class="value" href="${href}">${shown}</a>`;
}

/** Characters of an error in a sentence; the page of its job has all of it. */
const ERROR_MAX = 500;

/** The same words for an export: instants are exact, nothing is markup. */
export function sentenceText(
  { pieces, facts }: Sentence,
  context: Omit<SentenceContext, "now">,
): Plain {
  const texts = facts.map((fact) => factText(fact, context));
  return String.raw({ raw: pieces }, ...texts) as Plain;
}

function factText(
  fact: Fact,
  context: Omit<SentenceContext, "now">,
): Plain | Shown | number | string {
  if (typeof fact === "number" || typeof fact === "string") return fact;
  if (fact instanceof Date) return iso(fact);
  if (isSentence(fact)) return sentenceText(fact, context);
  const resource = fact.of ?? context.resource;
  return fact.kind === "error"
    ? context.show.error(fact.value, resource).message
    : valueShown(fact, { show: context.show, resource });
}

type ValueFact = Extract<
  Fact,
  { readonly kind: Exclude<DisplayKind, "error"> }
>;

function valueShown(
  { kind, value, path }: ValueFact,
  { show, resource }: Pick<SentenceContext, "show" | "resource">,
): Shown {
  return path === undefined
    ? show(kind, value, resource)
    : show.part(kind, { value: Object(value), path }, resource);
}
