import type { Connection } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { Effect } from "effect";

/** Reads from a connection until `length` bytes have come, or the other side ends. */
export const readBytes = (connection: Connection, length = Number.POSITIVE_INFINITY) =>
  Effect.gen(function* () {
    const changed = Signal.make();
    connection.onChange(() => changed.notify());
    const chunks: Array<Buffer> = [];
    let total = 0;
    while (total < length) {
      const bytes = connection.read();
      if (bytes !== undefined) {
        chunks.push(bytes);
        total += bytes.length;
      } else if (connection.status !== "open") {
        break;
      } else {
        yield* changed.wait;
      }
    }
    return Buffer.concat(chunks);
  });
