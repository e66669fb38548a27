import type { Control } from "../control/control.ts";
import type { RevealSealed } from "../control/reveal.ts";
import type { Database } from "../db/database.ts";
import type { Auth, DisplayPolicy, Layout, Runbook } from "../seams.ts";
import type { OnHidden } from "./render.ts";

/** What the pages are made from. */
export interface WebOptions {
  readonly control: Control;
  /** For reading; it may be a replica. */
  readonly database: Database;
  readonly auth: Auth;
  readonly displayPolicy: DisplayPolicy;
  /** Where the host mounts us, such as `/ops/jobs`. */
  readonly basePath: string;
  readonly layout?: Layout | undefined;
  readonly runbook?: Runbook | undefined;
  /** Origins at which a browser sees these pages, if a proxy changes the host. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Told of every fault, with the reference that the person was shown. */
  readonly onError?:
    | ((error: unknown, reference: string) => void)
    | undefined;
  /** Decrypts for those who may see it; nobody may when left out. */
  readonly reveal?: RevealSealed | undefined;
  /** Told of each value that was hidden because the display policy failed. */
  readonly onHidden?: OnHidden | undefined;
}
