import type { Permission, ResourceRef } from "../seams.ts";
import type { PageContext } from "./env.ts";
import type { Paths } from "./paths.ts";
import type { Href } from "./render.ts";

/** The page of a thing; `null` if there is none, or the actor may not open it. */
export type LinkTo = (resource: ResourceRef) => Href | null;

/** The words for each kind of thing. */
export const RESOURCE_LABELS = {
  page: "Page",
  job: "Job",
  queue: "Queue",
  cron_entry: "Cron entry",
  limiter: "Limiter",
} as const satisfies Record<ResourceRef["type"], string>;

/**
 * Asks once for each of the things whether the actor may open its page, so that
 * no link leads to a page that would only refuse.
 */
export async function linksFor(
  c: PageContext,
  resources: readonly ResourceRef[],
): Promise<LinkTo> {
  const distinct = new Map(resources.map((one) => [keyOf(one), one]));
  const asked = await Promise.all(
    [...distinct].map(async ([key, resource]) => {
      const question = questionFor(resource);
      const open = question !== null &&
        await c.var.may(question.permission, question.resource);
      return [key, open ? resourceHref(resource, c.var.paths) : null] as const;
    }),
  );
  const links = new Map(asked);
  return (resource) => links.get(keyOf(resource)) ?? null;
}

function keyOf({ type, id }: ResourceRef): string {
  return JSON.stringify([type, id]);
}

function questionFor(
  resource: ResourceRef,
): { readonly permission: Permission; readonly resource: ResourceRef } | null {
  switch (resource.type) {
    case "job":
      return { permission: "view_job_detail", resource };
    case "queue":
      return {
        permission: "view_queues",
        resource: { type: "page", id: "queues" },
      };
    case "limiter":
      return {
        permission: "view_limiters",
        resource: { type: "page", id: "limiters" },
      };
    case "cron_entry":
      return {
        permission: "view_cron",
        resource: { type: "page", id: "cron" },
      };
    default:
      // Pages, and types that a later version may have written.
      return null;
  }
}

/** The page of a thing, whoever may open it; `null` for what is a page itself. */
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
    case "limiter":
      return paths.limiter(id);
    case "page":
      return null;
  }
}
