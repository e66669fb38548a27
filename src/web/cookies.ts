/** The two cookies that we set: how pages look, and what was just done. */
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import {
  type Env,
  type Flash,
  type PageContext,
  type Theme,
  THEMES,
} from "./env.ts";
import type { Context } from "hono";

const THEME = "yardmaster_theme";
const FLASH = "yardmaster_flash";
const YEAR_S = 365 * 24 * 60 * 60;
const FLASH_S = 60;

/** The theme that a person chose; anything else is `auto`. */
export function readTheme(c: Context<Env>): Theme {
  const chosen = getCookie(c, THEME);
  return THEMES.find((theme) => theme === chosen) ?? "auto";
}

/** Remembers a theme in this browser. */
export function writeTheme(c: PageContext, theme: Theme): void {
  setCookie(c, THEME, theme, { ...cookieOptions(c), maxAge: YEAR_S });
}

/**
 * Leaves a message for the next page. It names a code and an audit event and no
 * data, is signed for this actor, and is gone after a minute.
 */
export async function writeFlash(c: PageContext, flash: Flash): Promise<void> {
  const body = `${flash.code}.${flash.auditId ?? ""}.${+c.var.now}`;
  const signature = await c.var.sign(flashText(c, body));
  setCookie(c, FLASH, `${body}.${signature}`, {
    ...cookieOptions(c),
    httpOnly: true,
    sameSite: "Strict",
    maxAge: FLASH_S,
  });
}

/** Takes the message that the last request left, if it is ours and fresh. */
export async function takeFlash(c: PageContext): Promise<Flash | null> {
  const value = getCookie(c, FLASH);
  if (value === undefined) return null;
  deleteCookie(c, FLASH, cookieOptions(c));

  const [code, auditId, at, signature, ...rest] = value.split(".");
  if (!code || auditId === undefined || !at || !signature) return null;
  const ageMs = +c.var.now - Number(at);
  if (rest.length > 0 || !(ageMs >= 0 && ageMs <= FLASH_S * 1000)) return null;
  const text = flashText(c, `${code}.${auditId}.${at}`);
  if (!await c.var.verify(text, signature)) return null;
  return {
    code,
    auditId: /^\d+$/.test(auditId) ? auditId as `${bigint}` : null,
  };
}

function flashText(c: PageContext, body: string): string {
  return JSON.stringify(["flash", c.var.actor.id, body]);
}

function cookieOptions(c: PageContext) {
  const proto = c.req.header("X-Forwarded-Proto") ??
    new URL(c.req.url).protocol;
  return {
    path: c.var.paths.basePath,
    secure: proto.startsWith("https"),
    sameSite: "Lax",
  } as const;
}
