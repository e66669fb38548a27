/** A wire between clients and a server, that can be broken in several ways. */

/**
 * What it does with what is sent:
 *
 * - `pass`: hands it on.
 * - `hold`: nothing arrives and nothing is refused, as when a cable is pulled.
 *   What was sent arrives when it passes again.
 * - `refuse`: new connections are closed at once.
 */
export type WireMode = "pass" | "hold" | "refuse";

/** A proxy on this machine. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** The same URL, by way of this proxy. */
  through(url: string): string;
  set(mode: WireMode): void;
  /** Every piece waits so long before it is handed on. */
  delay(ms: number): void;
  /** Ends every connection at once; both sides hear of it. */
  cut(): void;
  /**
   * Forgets every connection there is: nothing of it is ever handed on again and
   * neither side hears of it, as when a firewall loses its table. New ones pass.
   */
  forget(): void;
  /** How many connections there are, with those that were forgotten. */
  readonly open: number;
}

const PIECE_BYTES = 65_536;

/** One client, and the server on its behalf. */
interface Wire {
  readonly ends: readonly [Deno.Conn, Deno.Conn];
  forgotten: boolean;
}

/** Opens a wire to the server of a URL. */
export function openProxy(url: string): TcpProxy {
  const { hostname, port } = new URL(url);
  return new RunningProxy({ hostname, port: Number(port || 5432) });
}

class RunningProxy implements TcpProxy {
  readonly port: number;
  readonly #listener: Deno.Listener;
  readonly #server: Deno.ConnectOptions;
  readonly #wires = new Set<Wire>();
  #mode: WireMode = "pass";
  #delayMs = 0;
  /** Resolves when things pass again. */
  #passing: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(server: Deno.ConnectOptions) {
    this.#server = server;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    void this.#accept();
  }

  get open(): number {
    return this.#wires.size;
  }

  through(url: string): string {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${this.port}`;
    return changed.href;
  }

  set(mode: WireMode): void {
    this.#mode = mode;
    if (mode !== "pass") return;
    this.#passing.resolve();
    this.#passing = Promise.withResolvers();
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  cut(): void {
    for (const wire of this.#wires) this.#end(wire);
  }

  forget(): void {
    for (const wire of this.#wires) wire.forgotten = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.set("pass");
    this.cut();
    return Promise.resolve();
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) void this.#wire(client);
    } catch {
      // Closed: nobody is let in any more.
    }
  }

  async #wire(client: Deno.Conn): Promise<void> {
    let server: Deno.Conn | null = null;
    if (this.#mode !== "refuse") {
      server = await Deno.connect(this.#server).catch(() => null);
    }
    if (server === null) return close(client);
    const wire: Wire = { ends: [client, server], forgotten: false };
    this.#wires.add(wire);
    void this.#carry(wire, { from: client, to: server });
    void this.#carry(wire, { from: server, to: client });
  }

  async #carry(
    wire: Wire,
    { from, to }: { readonly from: Deno.Conn; readonly to: Deno.Conn },
  ): Promise<void> {
    const piece = new Uint8Array(PIECE_BYTES);
    try {
      while (true) {
        const length = await from.read(piece);
        if (this.#delayMs > 0) await delay(this.#delayMs);
        while (this.#mode === "hold" && !wire.forgotten) {
          await this.#passing.promise;
        }
        // The other side is to notice nothing, not even the end.
        if (wire.forgotten && this.#wires.has(wire)) {
          if (length === null) return;
          continue;
        }
        if (length === null) break;
        for (let sent = 0; sent < length;) {
          sent += await to.write(piece.subarray(sent, length));
        }
      }
    } catch {
      // Either side broke it.
    }
    this.#end(wire);
  }

  #end(wire: Wire): void {
    this.#wires.delete(wire);
    for (const end of wire.ends) close(end);
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
