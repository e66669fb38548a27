/**
 * Connections that notice by themselves that nobody is there any more, as in
 * `docs/how-to/deploy.md`.
 */
import { connect, type Socket } from "node:net";

/** Options of postgres.js, of which its types know all but the socket. */
interface Way {
  readonly host: readonly string[];
  readonly port: readonly number[];
}

/**
 * Options of postgres.js that close a connection on which nothing was heard for
 * so long, idle ones too. Without it, a half open connection is lost to the pool
 * until the kernel gives it up, which takes a quarter of an hour.
 */
export function closedWhenSilent(ms: number): { socket(way: Way): Socket } {
  return {
    socket({ host, port }) {
      const socket = connect(port[0] ?? 5432, host[0]);
      let heard = 0;
      const timer = setInterval(() => {
        if (socket.bytesRead === heard) socket.destroy();
        heard = socket.bytesRead;
        if (socket.destroyed) clearInterval(timer);
      }, ms);
      socket.once("close", () => clearInterval(timer));
      return socket;
    },
  };
}
