import { redactedFieldsOf } from "../../domain/redaction.ts";
import { clearArgs, isSealed, sealedPartOf } from "../../domain/sealed_args.ts";
import type { JsonObject } from "../../domain/secret_paths.ts";
import type { ResourceRef } from "../../seams.ts";
import { html, type Markup, type Show } from "../render.ts";
import { jsonView } from "./json_view.ts";

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
  const notes = [
    sealedNote({ args, opened }, { show, resource }),
    redactedNote(meta, { show, resource }),
  ];
  if (!isSealed(args)) {
    return html`${jsonView(show.block("args", args, resource))} ${notes}`;
  }
  const readable = opened ?? clearArgs(args);
  const isBlank = opened === null && Object.keys(readable).length === 0;
  const view = isBlank
    ? null
    : jsonView(show.block("args", readable, resource));
  return html`${view} ${notes}`;
}

interface Context {
  readonly show: Show;
  readonly resource: ResourceRef;
}

function sealedNote(
  { args, opened }: Pick<StoredArgs, "args" | "opened">,
  { show, resource }: Context,
): Markup | null {
  if (!isSealed(args)) return null;
  const part = sealedPartOf(args);
  if (part === null) {
    return html`
      <p
        class="field-error">Encrypted, and changed since: it can not be decrypted.</p>
    `;
  }
  const key = html`<code>${show("name", part.key, resource)}</code>`;
  const what = part.fields === undefined
    ? html`all of it`
    : show("name", part.fields.join(", "), resource);
  return opened === null
    ? html`<p class="muted">Encrypted with key ${key}: ${what}.</p>`
    : html`
      <p
        class="muted">Decrypted for you, and stored encrypted with key ${key}: ${what}.</p>
    `;
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
