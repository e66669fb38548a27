import type { MiddlewareHandler } from "hono";

/**
 * What our pages may load and run: files of ours from this origin, and nothing
 * inline. Scripts can make HTML only through the policy `htmx` of `app.js`,
 * which runs no script.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'none'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types htmx",
].join("; ");

const ALWAYS = {
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "X-Content-Type-Options": "nosniff",
  // Not `no-referrer`: with it a browser sends forms with `Origin: null`.
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

/** The request headers on which the answer of one address depends. */
const VARY = "HX-Request, HX-Request-Type, HX-History-Restore-Request, Cookie";

/** Puts the security headers on every answer, whatever made it. */
export function securityHeaders(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    // A new answer: the headers of one that a host made may be frozen.
    const answer = new Response(c.res.body, c.res);
    for (const [name, value] of Object.entries(ALWAYS)) {
      answer.headers.set(name, value);
    }
    if (!answer.headers.has("Cache-Control")) {
      answer.headers.set("Cache-Control", "no-store");
      answer.headers.set("Vary", VARY);
    }
    // Unset first, or the headers of the old one are merged into it.
    c.res = undefined;
    c.res = answer;
  };
}
