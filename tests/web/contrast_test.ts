import assert from "node:assert/strict";
import { join } from "node:path";

const css = await Deno.readTextFile(
  join(import.meta.dirname ?? ".", "../../src/web/assets/app.css"),
);

/** The colours of a token, in the light and in the dark scheme. */
const TOKENS: ReadonlyMap<string, readonly [string, string]> = new Map(
  [...css.matchAll(/--([\w-]+):\s*light-dark\((#\w{6}),\s*(#\w{6})\)/g)]
    .map(([, name = "", light = "", dark = ""]) => [name, [light, dark]]),
);

const TONES = [
  "scheduled",
  "ready",
  "executing",
  "retryable",
  "waiting",
  "good",
  "bad",
  "quiet",
];
const GROUNDS = ["page", "surface", "raised", "sunken", "hover"];
/** WCAG 2.2: 1.4.3 for text, 1.4.11 for what is not text. */
const TEXT_MIN = 4.5;
const SHAPE_MIN = 3;

Deno.test("app.css text is readable on every ground it stands on, in both schemes", () => {
  for (const text of ["text", "text-2", "muted", "accent", "accent-strong"]) {
    for (const ground of GROUNDS) hold(text, ground, TEXT_MIN);
  }
  hold("accent", "accent-tint", TEXT_MIN);
  for (const tone of TONES) {
    hold(tone, `${tone}-tint`, TEXT_MIN);
    hold(tone, "surface", TEXT_MIN);
    hold(tone, "sunken", TEXT_MIN);
  }
});

Deno.test("app.css shapes that mean something stand out, in both schemes", () => {
  for (const tone of TONES) hold(`${tone}-bar`, "surface", SHAPE_MIN);
  for (const ground of ["page", "surface"]) {
    hold("line-strong", ground, SHAPE_MIN);
    // The focus ring.
    hold("accent", ground, SHAPE_MIN);
  }
});

Deno.test("app.css white words are readable on a filled button", () => {
  for (const scheme of [0, 1] as const) {
    const fill = colour("accent-fill")[scheme];
    assert.ok(contrast("#ffffff", fill) >= TEXT_MIN, fill);
  }
});

Deno.test("app.css takes nothing from elsewhere and animates nothing by itself", () => {
  assert.doesNotMatch(css, /@import|@font-face|url\(|@keyframes/);
});

function hold(front: string, ground: string, min: number): void {
  for (const scheme of [0, 1] as const) {
    const ratio = contrast(colour(front)[scheme], colour(ground)[scheme]);
    const where = `${front} on ${ground} (${["light", "dark"][scheme]})`;
    assert.ok(ratio >= min, `${where}: ${ratio.toFixed(2)} of ${min}`);
  }
}

function colour(name: string): readonly [string, string] {
  const found = TOKENS.get(name);
  assert.ok(found, `there is no token --${name} with two colours`);
  return found;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)]
    .sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
