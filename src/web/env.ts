import type { Context } from "hono";
import type { Control } from "../control/control.ts";
import type { RevealSealed } from "../control/reveal.ts";
import type { Database } from "../db/database.ts";
import type {
  Actor,
  Layout,
  Permission,
  ResourceRef,
  Runbook,
} from "../seams.ts";
import type { FormFields } from "./form.ts";
import type { Paths } from "./paths.ts";
import type { Plain, Show } from "./render.ts";
import type { Sealer } from "./sealed.ts";

/** Whether the actor may use a permission; asked once per request and thing. */
export type May = (
  permission: Permission,
  resource: ResourceRef,
) => Promise<boolean>;

/** How a person wants the pages to look; `auto` follows their system. */
export const THEMES = ["auto", "light", "dark"] as const;
/** One of {@linkcode THEMES}. */
export type Theme = typeof THEMES[number];

/** What a flash says: an audited action that was just done, or a plain act. */
export interface Flash {
  readonly code: string;
  readonly auditId: `${bigint}` | null;
}

/** What every handler finds in `c.var`. */
export interface Env {
  Variables: {
    /** The only way to change something. */
    readonly control: Control;
    /** For reading; it may be a replica. */
    readonly db: Database;
    readonly actor: Actor;
    readonly paths: Paths;
    readonly show: Show;
    readonly may: May;
    /** `null`: nobody may see what is encrypted. */
    readonly reveal: RevealSealed | null;
    /** The database's clock at the start of this request. */
    readonly now: Date;
    /** Goes into every form, by `formTokenField()`. */
    readonly formToken: Plain;
    /** The fields of a form that was sent; empty for other requests. */
    readonly form: FormFields;
    readonly layout: Layout;
    readonly runbook: Runbook | null;
    readonly theme: Theme;
    /** Signs what travels through the browser and comes back. */
    readonly sign: (text: string) => Promise<string>;
    readonly verify: (text: string, signature: string) => Promise<boolean>;
    /** Keeps what travels in an address from being read there. */
    readonly sealer: Sealer;
    /** Set by `requires()` and `decidedElsewhere()`; without it nothing leaves. */
    authorized: boolean;
  };
}

/** The context of a handler of ours. */
export type PageContext = Context<Env>;

/** Whether htmx asks for a part of a page, and not the browser for a whole one. */
export function wantsFragment(c: PageContext): boolean {
  return c.req.header("HX-Request") === "true" &&
    c.req.header("HX-History-Restore-Request") !== "true";
}
