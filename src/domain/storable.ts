/** What Postgres can store of texts and of JSON. */

/** Deeper, Postgres in the process never comes back from reading it. */
const JSON_DEPTH_MAX = 1_000;

/** Whether a text holds no NUL and no half of a surrogate pair. */
export function isStorableText(text: string): boolean {
  return !text.includes("\0") && !/\p{Cs}/u.test(text);
}

/** The same of what a JSON text stands for; and it is not nested too deep. */
export function isStorableJson(text: string): boolean {
  if (isDeeperThan(text, JSON_DEPTH_MAX)) return false;
  if (!text.includes("\\u")) return true;
  return !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(text);
}

function isDeeperThan(json: string, depthMax: number): boolean {
  // Each level opens and closes; most texts need not be looked at.
  if (json.length <= depthMax * 2) return false;
  let depth = 0;
  let isString = false;
  for (let index = 0; index < json.length; index++) {
    const character = json[index];
    if (isString) {
      if (character === "\\") index += 1;
      else if (character === '"') isString = false;
    } else if (character === '"') isString = true;
    else if (character === "{" || character === "[") {
      depth += 1;
      if (depth > depthMax) return true;
    } else if (character === "}" || character === "]") depth -= 1;
  }
  return false;
}
