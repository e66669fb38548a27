/** The clock on the wall of this process is wrong. */
export function shiftClock(offMs: number): void {
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...args: unknown[]) {
      // @ts-expect-error: whatever a Date takes
      super(...(args.length === 0 ? [Right.now() + offMs] : args));
    }
    static override now(): number {
      return Right.now() + offMs;
    }
  } as DateConstructor;
}
