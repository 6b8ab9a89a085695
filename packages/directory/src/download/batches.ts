import { Entropy, type Transport } from "@allium/channel";
import { Effect } from "effect";
import type { Authority } from "../authorities.ts";
import type { DirectoryFetchError } from "../errors.ts";
import type { DirectoryResponse } from "../http/client.ts";
import type { DirectoryTiming } from "../timing.ts";
import { drawAuthority } from "./draw.ts";
import { get } from "./get.ts";

/** How many batches are asked for at a time. */
const CONCURRENT_BATCHES = 3;

/** Documents of one kind that are asked for by their digests. */
export interface BatchRequest {
  /** What logs call them. */
  readonly what: string;
  readonly authorities: ReadonlyArray<Authority>;
  readonly timing: DirectoryTiming;
  readonly digests: ReadonlyArray<string>;
  /** How many are asked for at once. */
  readonly size: number;
  readonly path: (digests: ReadonlyArray<string>) => string;
  /** The most that an answer may have, in bytes. */
  readonly limit: number;
  /** Takes what came. */
  readonly accept: (
    response: DirectoryResponse,
    digests: ReadonlyArray<string>,
  ) => Effect.Effect<void, DirectoryFetchError>;
}

/** Fetches documents in batches, each from an authority drawn for it. A batch that fails does not spoil the others. */
export const fetchBatches = (request: BatchRequest): Effect.Effect<void, never, Transport | Entropy> =>
  Effect.gen(function* () {
    const entropy = yield* Entropy;
    const { what, authorities, timing, digests, size, path, limit, accept } = request;
    const batches: Array<ReadonlyArray<string>> = [];
    for (let at = 0; at < digests.length; at += size) batches.push(digests.slice(at, at + size));
    const fetchBatch = Effect.fnUntraced(
      function* (batch: ReadonlyArray<string>) {
        const { download } = drawAuthority(authorities, entropy.below);
        const response = yield* get({ endpoint: download, path: path(batch), limit }, timing);
        yield* accept(response, batch);
      },
      Effect.catch((error) => Effect.logInfo(`${what}: ${error.message}`)),
    );
    yield* Effect.forEach(batches, fetchBatch, { concurrency: CONCURRENT_BATCHES, discard: true });
  });
