import type { SealedPart } from "../../domain/sealed_args.ts";
import type { ResourceRef } from "../../seams.ts";
import { html, type Markup, type Show } from "../render.ts";

/** Says of something encrypted with which key, what of it, and who sees it. */
export function sealedNote(
  { part, isOpened }: {
    /** `null`: it can not be read at all. */
    readonly part: SealedPart | null;
    readonly isOpened: boolean;
  },
  { show, resource }: { readonly show: Show; readonly resource: ResourceRef },
): Markup {
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
  return isOpened
    ? html`
      <p
        class="muted">Decrypted for you, and stored encrypted with key ${key}: ${what}.</p>
    `
    : html`<p class="muted">Encrypted with key ${key}: ${what}.</p>`;
}
