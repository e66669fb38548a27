/** What can be said about a limiter in one line. */
export const LIMITER_DIAGNOSES = {
  limiter_cooling: {
    status: "waiting",
    title: "Cools down",
    why: "No job that it limits starts until the cooldown is over.",
  },
  limiter_keys_cooling: {
    status: "waiting",
    title: "Keys of it cool down",
    why: "Jobs of those keys wait; the others start as it allows.",
  },
  limiter_holding: {
    status: "blocked",
    title: "Holds jobs back",
    why: "Jobs are due and wait until enough of it is free.",
  },
  limiter_full: {
    status: "blocked",
    title: "Used up",
    why: "Nobody waits, and the next job of what is used up would.",
  },
  limiter_relieved: {
    status: "runnable",
    title: "Lets jobs pass again",
    why: "It held jobs back, and does so no more.",
  },
  limiter_open: {
    status: "runnable",
    title: "Lets jobs pass",
    why: "Nothing waits for it.",
  },
  limiter_unnamed: {
    status: "resolved",
    title: "No worker names it",
    why: "It limits nothing. Code declared it once, and it stays on record.",
  },
} as const;
