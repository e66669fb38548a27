import { type Action, ACTION_POLICIES } from "../domain/action.ts";
import type { Plain } from "./render.ts";

/**
 * The words of an action. They are literals of our own table, which is why they
 * may be printed without asking the display policy.
 */
export function actionLabel(action: Action): Plain {
  return ACTION_POLICIES[action].label as Plain;
}

/** What follows from an action, for somebody who has not done it yet. */
export function actionEffect(action: Action): Plain {
  return ACTION_POLICIES[action].effect as Plain;
}

/** What has happened, for somebody who just did it. */
export function actionDone(action: Action): Plain {
  return ACTION_POLICIES[action].done as Plain;
}

/** What the audit calls it once it happened. */
export function actionEventType(action: Action): Plain {
  return ACTION_POLICIES[action].eventType as Plain;
}
