/** What the values of a cron entry must be like, whoever hands them in. */
import { JOB_BOUNDS } from "./job.ts";
import { isStorableJson, isStorableText } from "./storable.ts";

/** In characters. */
export const CRON_NAME_LENGTH_MAX = 128;

/** Text that stands in a link, a log line and the database as it is. */
export function isCronName(value: unknown): boolean {
  return typeof value === "string" && value !== "" && value === value.trim() &&
    !/[\p{Cc}\p{Cs}]/u.test(value) &&
    [...value].length <= CRON_NAME_LENGTH_MAX;
}

/** As jobs may have them. */
export function areTags(tags: unknown): boolean {
  return isTexts(tags) && tags.length <= JOB_BOUNDS.tagsMax &&
    tags.every((tag) =>
      tag.length <= JOB_BOUNDS.tagLengthMax && isStorableText(tag)
    );
}

/** A list of nothing but text. */
export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) &&
    value.every((item) => typeof item === "string");
}

/** An object that a job may have as its args or its meta. */
export function isStorableObject(value: unknown): boolean {
  if (!isObject(value) || Array.isArray(value)) return false;
  try {
    const text = JSON.stringify(value);
    return typeof text === "string" &&
      text.startsWith("{") && text.length <= JOB_BOUNDS.jsonLengthMax &&
      isStorableJson(text);
  } catch {
    return false;
  }
}

/** Anything that has properties. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
