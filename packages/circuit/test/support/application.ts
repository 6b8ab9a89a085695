import type { Connection } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { Effect } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";

/** Bytes by which it would show if any were lost, doubled or out of order; the same for the same seed. */
export const pattern = (seed: number, length: number): Buffer => Buffer.alloc(length, new Random(seed).bytes(8_191));

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
