import { redactedFieldsOf } from "../../domain/redaction.ts";
import { clearArgs, isSealed, sealedPartOf } from "../../domain/sealed_args.ts";
import type { JsonObject } from "../../domain/secret_paths.ts";
import type { ResourceRef } from "../../seams.ts";
import { html, type Markup, type Show } from "../render.ts";
import { jsonView } from "./json_view.ts";
import { sealedNote } from "./sealed_note.ts";

/** Args as they are stored, and what of them may be seen. */
export interface StoredArgs {
  readonly args: unknown;
  readonly meta: unknown;
  /** Decrypted, where the host lets this actor see them. */
  readonly opened: JsonObject | null;
}

/**
 * Args, and what is missing in them and why. What is encrypted never reaches the
 * display policy, and no page, as it is stored.
 */
export function argsView(
  { args, meta, opened }: StoredArgs,
  { show, resource }: { readonly show: Show; readonly resource: ResourceRef },
): Markup {
  const redacted = redactedNote(meta, { show, resource });
  if (!isSealed(args)) {
    return html`${jsonView(show.block("args", args, resource))} ${redacted}`;
  }
  const part = sealedPartOf(args);
  const isOpened = opened !== null;
  const sealed = sealedNote({ part, isOpened }, { show, resource });
  const readable = opened ?? clearArgs(args);
  const isBlank = opened === null && Object.keys(readable).length === 0;
  const view = isBlank
    ? null
    : jsonView(show.block("args", readable, resource));
  return html`${view} ${sealed} ${redacted}`;
}

interface Context {
  readonly show: Show;
  readonly resource: ResourceRef;
}

function redactedNote(
  meta: unknown,
  { show, resource }: Context,
): Markup | null {
  const fields = redactedFieldsOf(meta);
  if (fields.length === 0) return null;
  const names = show("name", fields.join(", "), resource);
  return html`<p class="muted">Redacted, and not stored: ${names}.</p>`;
}
