/** Listening with node-postgres, which leaves reconnecting to its caller. */

const RECONNECT_FIRST_MS = 100;
const RECONNECT_CAP_MS = 5_000;

/** What we use of a client that only listens. */
export interface ListeningClient {
  connect(): Promise<unknown>;
  end(): Promise<unknown>;
  // deno-lint-ignore no-explicit-any -- the driver has seven overloads of it.
  query(config: any): Promise<any>;
  // deno-lint-ignore no-explicit-any -- each event has arguments of its own.
  on(event: string, listener: (...args: any[]) => void): unknown;
  // deno-lint-ignore no-explicit-any -- see above.
  off(event: string, listener: (...args: any[]) => void): unknown;
}

/** What to listen to, and whom to tell. */
export interface Listening {
  readonly channel: string;
  readonly onNotice: (payload: string) => void;
  readonly onReady: (() => void) | undefined;
}

/**
 * Listens on a connection of its own, and connects again when it breaks.
 *
 * @returns Stops it.
 * @throws The driver's error if the first connection fails: the host would
 * rather know at once.
 */
export async function listenWith(
  makeClient: () => ListeningClient,
  listening: Listening,
): Promise<() => Promise<void>> {
  let stopped = false;
  let wake: (() => void) | undefined;
  let current = await connect(makeClient(), listening);
  listening.onReady?.();

  const loop = (async () => {
    let waitMs = RECONNECT_FIRST_MS;
    while (!stopped) {
      await Promise.race([
        current.broken,
        new Promise<void>((resolve) => wake = resolve),
      ]);
      await current.client.end().catch(() => {});
      while (!stopped) {
        try {
          current = await connect(makeClient(), listening);
          waitMs = RECONNECT_FIRST_MS;
          if (!stopped) listening.onReady?.();
          break;
        } catch {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, waitMs);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
          waitMs = Math.min(waitMs * 2, RECONNECT_CAP_MS);
        }
      }
    }
    await current.client.end().catch(() => {});
  })();

  return async () => {
    stopped = true;
    wake?.();
    await loop;
  };
}

interface Listener {
  readonly client: ListeningClient;
  /** Resolves when the connection is gone. */
  readonly broken: Promise<void>;
}

async function connect(
  client: ListeningClient,
  { channel, onNotice }: Listening,
): Promise<Listener> {
  const broken = new Promise<void>((resolve) => {
    client.on("error", () => resolve());
    client.on("end", () => resolve());
  });
  client.on(
    "notification",
    (notice: { readonly channel: string; readonly payload?: string }) => {
      if (notice.channel === channel) onNotice(notice.payload ?? "");
    },
  );
  try {
    await client.connect();
    await client.query(`listen ${channel}`);
    return { client, broken };
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}
