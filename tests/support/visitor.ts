/** Answers a request, as a host does. */
export type Answer = (request: Request) => Response | Promise<Response>;

/** A form as a browser would send it: where to, and what it holds already. */
export interface PageForm {
  readonly action: string;
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly html: string;
}

/** What a visitor got in the end, after redirects. */
export interface Page {
  readonly status: number;
  /** Path and query. */
  readonly url: string;
  readonly html: string;
  readonly text: string;
  readonly forms: readonly PageForm[];
  readonly headers: Headers;
}

/** How a visitor asks. */
export interface VisitorOptions {
  /** Sends what htmx sends. */
  readonly htmx?: boolean;
  readonly origin?: string;
}

const REDIRECTS_MAX = 5;

/**
 * A person with a browser that runs no script: keeps cookies, follows redirects,
 * sends the forms that are on the page and nothing else.
 */
export class Visitor {
  readonly #answer: Answer;
  readonly #htmx: boolean;
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();

  constructor(answer: Answer, options: VisitorOptions = {}) {
    this.#answer = answer;
    this.#htmx = options.htmx ?? false;
    this.#origin = options.origin ?? "http://localhost";
  }

  /** Opens a page by its path. */
  async open(path: string): Promise<Page> {
    return await this.#ask(path, { method: "GET" }, false);
  }

  /** Sends a form, with what the person typed or chose. */
  async send(
    form: PageForm,
    typed: Readonly<Record<string, string>> = {},
  ): Promise<Page> {
    const body = new URLSearchParams({ ...form.fields, ...typed });
    if (form.method === "get") return await this.open(`${form.action}?${body}`);
    return await this.#ask(form.action, {
      method: "POST",
      body,
      headers: { origin: this.#origin, "sec-fetch-site": "same-origin" },
    }, this.#htmx);
  }

  async #ask(path: string, init: RequestInit, htmx: boolean): Promise<Page> {
    let url = new URL(path, this.#origin);
    let request = new Request(url, init);
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      this.#sign(request, htmx);
      const response = await this.#answer(request);
      this.#keepCookies(response);
      const opens = response.headers.get("hx-redirect");
      const next = response.headers.get("location") ?? opens;
      if (next === null) return await toPage(url, response);
      await response.body?.cancel();
      url = new URL(next, url);
      request = new Request(url);
      // A redirect is followed with what htmx sent; another page is opened.
      if (opens !== null) htmx = false;
    }
    throw new Error(`Too many redirects, the last to "${url.pathname}"`);
  }

  #sign(request: Request, htmx: boolean): void {
    const cookies = [...this.#cookies].map(([name, value]) =>
      `${name}=${value}`
    );
    if (cookies.length > 0) request.headers.set("cookie", cookies.join("; "));
    if (!htmx) return;
    request.headers.set("hx-request", "true");
    request.headers.set("hx-request-type", "partial");
  }

  #keepCookies(response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";");
      const [name = "", ...value] = pair.split("=");
      const gone = /max-age=0/i.test(cookie);
      if (gone) this.#cookies.delete(name.trim());
      else this.#cookies.set(name.trim(), value.join("="));
    }
  }
}

/** The one form that holds all of `fields`. */
export function formWith(
  page: Page,
  fields: Readonly<Record<string, string>>,
): PageForm {
  const found = page.forms.filter((form) =>
    Object.entries(fields).every(([name, value]) => form.fields[name] === value)
  );
  const [first] = found;
  if (first === undefined) {
    throw new Error(
      `No form with ${
        JSON.stringify(fields)
      } on ${page.url} (${page.status}); ` +
        `it has ${JSON.stringify(page.forms.map((form) => form.fields))}`,
    );
  }
  return first;
}

/** The one form whose action ends so. */
export function formTo(page: Page, ending: string): PageForm {
  const found = page.forms.find((form) => form.action.endsWith(ending));
  if (found === undefined) {
    throw new Error(
      `No form to "…${ending}" on ${page.url} (${page.status}); ` +
        `it has ${JSON.stringify(page.forms.map((form) => form.action))}`,
    );
  }
  return found;
}

async function toPage(url: URL, response: Response): Promise<Page> {
  const html = await response.text();
  return {
    status: response.status,
    url: url.pathname + url.search,
    html,
    text: textOf(html),
    forms: [...html.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map(([form]) =>
      toForm(form, url)
    ),
    headers: response.headers,
  };
}

function toForm(html: string, url: URL): PageForm {
  const [opening = ""] = html.match(/<form\b[^>]*>/) ?? [];
  const fields: Record<string, string> = {};
  for (const [input] of html.matchAll(/<(?:input|button)\b[^>]*>/g)) {
    const name = attribute(input, "name");
    if (name === null || /\bdisabled\b/.test(input)) continue;
    const type = attribute(input, "type");
    const ticked = /\bchecked\b/.test(input);
    if ((type === "checkbox" || type === "radio") && !ticked) continue;
    fields[name] = attribute(input, "value") ?? "";
  }
  return {
    action: attribute(opening, "action") ?? url.pathname,
    method: (attribute(opening, "method") ?? "get").toLowerCase(),
    fields,
    html,
  };
}

function attribute(tag: string, name: string): string | null {
  const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`));
  return found?.[1] === undefined ? null : unescaped(found[1]);
}

function textOf(html: string): string {
  return unescaped(html.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " "));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
  "&amp;": "&",
};

function unescaped(text: string): string {
  return text.replaceAll(
    /&(?:lt|gt|quot|#39|amp);/g,
    (entity) => ENTITIES[entity] ?? entity,
  );
}
