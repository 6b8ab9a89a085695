import type { Connection } from "@allium/channel";
import type { Signal } from "@allium/kernel";
import { Effect } from "effect";
import { HttpError } from "./head.ts";
import { type HttpRequest, RequestReader } from "./request.ts";

/**
 * Reads one request from a connection. How long it waits is for the caller to bound.
 *
 * @param changed notified by the connection's listener
 * @param limit how many bytes the request may have before its empty line
 * @returns `undefined` if the other side has ended before all of it was there
 */
export const readRequest = (
  connection: Connection,
  changed: Signal,
  limit: number,
): Effect.Effect<HttpRequest | undefined, HttpError> => {
  const reader = new RequestReader(limit);
  const step = Effect.try({
    try: () => {
      for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) {
        const request = reader.push(bytes);
        if (request !== undefined) return request;
      }
      return undefined;
    },
    catch: (cause) => {
      if (cause instanceof HttpError) return cause;
      throw cause;
    },
  });
  return Effect.gen(function* () {
    for (;;) {
      const request = yield* step;
      if (request !== undefined || connection.status !== "open") return request;
      yield* changed.wait;
    }
  });
};
