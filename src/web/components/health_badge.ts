import type { ExecutorHealth } from "../../store/executor_health.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup } from "../render.ts";
import { badge, type Tone } from "./badge.ts";
import type { Icon } from "./icon.ts";

const HEALTHS = {
  healthy: ["good", "check", "Healthy"],
  late: ["retryable", "clock", "Heartbeat Late"],
  missing: ["bad", "alert", "Executor Missing"],
  stopped: ["quiet", "out", "Stopped"],
} as const satisfies Record<ExecutorHealth, readonly [Tone, Icon, string]>;

/** How a process is, or how many are, by the age of the heartbeat. */
export function healthBadge(
  health: ExecutorHealth,
  { paths, count = null }: {
    readonly paths: Paths;
    readonly count?: number | null;
  },
): Markup {
  const [tone, picture, word] = HEALTHS[health];
  return badge({ tone, icon: picture, label: html`${count} ${word}` }, paths);
}
