import { type Entropy, Transport } from "@allium/channel";
import { StreamOpeners } from "@allium/circuit";
import { MAX_DIRECTORY_STREAMS } from "@allium/directory";
import { Context, Effect, Layer } from "effect";
import { type ExitCounts, OpenerCounters } from "./counters.ts";
import type { ExitOptions } from "./exit-options.ts";
import { MAX_CONNECTING, MAX_EXIT_STREAMS, MAX_LOOKUPS } from "./limits.ts";
import { makeLingerers } from "./linger.ts";
import { ExitOpener, type OpenerParts } from "./opener.ts";
import { Places } from "./places.ts";
import type { Resolver } from "./resolver.ts";
import { makeResolverCache } from "./resolver-cache.ts";

/** What the exit has done, for metrics. */
export class ExitStatus extends Context.Service<
  ExitStatus,
  {
    /** The figures of this moment. */
    readonly counts: () => ExitCounts;
  }
>()("allium/relay/ExitStatus") {}

/**
 * Opens the streams of an exit: policy, names, connections, and what lingers after them. Everything that it holds beyond
 * open connections, which are their circuits', is released with the layer.
 */
export const layer = (
  options: ExitOptions,
): Layer.Layer<StreamOpeners | ExitStatus, never, Transport | Resolver | Entropy> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { bounds, ipv6 } = options;
      const lingerers = yield* makeLingerers(bounds);
      const scope = yield* Effect.scope;
      const parts: OpenerParts = {
        options,
        names: yield* makeResolverCache({ ...bounds, ipv6 }),
        transport: yield* Transport,
        counters: new OpenerCounters({
          streams: new Places(bounds?.maxStreams ?? MAX_EXIT_STREAMS),
          directory: new Places(bounds?.maxDirectoryStreams ?? MAX_DIRECTORY_STREAMS),
          lookups: new Places(bounds?.maxLookups ?? MAX_LOOKUPS),
          connecting: new Places(bounds?.maxConnecting ?? MAX_CONNECTING),
        }),
        linger: lingerers.add,
        fork: (effect) => Effect.forkIn(effect, scope, { startImmediately: true }),
      };
      const counts = (): ExitCounts => {
        const { cached, asking, questions, failures, refused } = parts.names.counts();
        return {
          ...parts.counters.counts(),
          lingering: lingerers.size(),
          lingeringCut: lingerers.cut(),
          cachedNames: cached,
          askedNames: asking,
          questions,
          failedQuestions: failures,
          refusedQuestions: refused,
        };
      };
      return Context.make(
        StreamOpeners,
        StreamOpeners.of({ forCircuit: (origin) => new ExitOpener(parts, origin) }),
      ).pipe(Context.add(ExitStatus, ExitStatus.of({ counts })));
    }),
  );
