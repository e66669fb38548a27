import type { ResourceRef } from "../../seams.ts";
import { RESOURCE_LABELS, resourceHref } from "../links.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Show } from "../render.ts";

/** What kind of thing it is and its name, as a link to its page. */
export function resourceLink(
  resource: ResourceRef,
  { paths, show }: { readonly paths: Paths; readonly show: Show },
): Markup {
  const name = show("name", resource.id, resource);
  const href = resourceHref(resource, paths);
  const word = RESOURCE_LABELS[resource.type];
  return href === null
    ? html`${word} ${name}`
    : html`${word} <a href="${href}">${name}</a>`;
}
