/**
 * Durations and timers of this process. What time it is, the database decides;
 * a test puts its own in place and moves it.
 */
export interface Clock {
  /** Milliseconds that only ever grow. */
  monotonicMs(): number;
  /**
   * Calls back once after so many milliseconds.
   *
   * @returns What stops it.
   */
  after(ms: number, callBack: () => void): () => void;
}

/** A timer can wait no longer: it would fire at once. So it waits in parts. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The clock and timers of the runtime. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  after(ms, callBack) {
    let timer: ReturnType<typeof setTimeout>;
    function wait(leftMs: number): void {
      const partMs = Math.min(Math.max(leftMs, 0), TIMER_MS_MAX);
      timer = setTimeout(
        () => leftMs > partMs ? wait(leftMs - partMs) : callBack(),
        partMs,
      );
    }
    wait(ms);
    return () => clearTimeout(timer);
  },
};
