import type { PageContext } from "./env.ts";
import { messagePage } from "./message_page.ts";
import { html, type Plain, text } from "./render.ts";

/** Our links would lead elsewhere than where the host mounted us. */
export function wrongMountPage(
  c: PageContext,
  { mounted, configured }: {
    readonly mounted: string;
    readonly configured: string;
  },
): Promise<Response> {
  return messagePage(c, {
    status: 500,
    title: text`Yardmaster is mounted at another path than it was told`,
    body: html`
      <dl class="definitions">
        <div>
          <dt>Mounted at</dt>
          <dd><code>${pathWord(mounted)}</code></dd>
        </div>
        <div>
          <dt><code>basePath</code></dt>
          <dd><code>${pathWord(configured)}</code></dd>
        </div>
      </dl>
      <p>
        Every link would lead to the second path. Make both the same: the
        <code>basePath</code> that is given to <code>createYardmaster</code>, and
        the path of <code>app.route()</code>.
      </p>
    `,
    wayOn: false,
  });
}

/** Both are paths of the host's own code. */
function pathWord(path: string): Plain {
  return path as Plain;
}
