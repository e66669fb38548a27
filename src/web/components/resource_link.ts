import type { ResourceRef, ResourceType } from "../../seams.ts";
import type { Paths } from "../paths.ts";
import { type Href, html, type Markup, type Show } from "../render.ts";

const WORDS = {
  page: "Page",
  job: "Job",
  queue: "Queue",
  cron_entry: "Cron entry",
} as const satisfies Record<ResourceType, string>;

/** What kind of thing it is and its name, as a link to its page. */
export function resourceLink(
  resource: ResourceRef,
  { paths, show }: { readonly paths: Paths; readonly show: Show },
): Markup {
  const name = show("name", resource.id, resource);
  const href = resourceHref(resource, paths);
  const word = WORDS[resource.type];
  return href === null
    ? html`${word} ${name}`
    : html`${word} <a href="${href}">${name}</a>`;
}

/** The page of a thing; `null` for what is a page itself. */
export function resourceHref(
  { type, id }: ResourceRef,
  paths: Paths,
): Href | null {
  switch (type) {
    case "job":
      return paths.job(id);
    case "queue":
      return paths.queue(id);
    case "cron_entry":
      return paths.cronEntry(id);
    case "page":
      return null;
  }
}
