import { Entropy } from "@allium/channel";
import type { Signal } from "@allium/kernel";
import type { ConsensusFlavor, ConsensusTrust, UnixMillis } from "@allium/netdoc";
import { Clock, Duration, Effect, type FileSystem } from "effect";
import { digestForDiffs } from "../download/consensus.ts";
import { drawAnother } from "../download/draw.ts";
import { Backoff } from "../download/schedule.ts";
import { type DirectorySource, DirectorySources } from "../sources/source.ts";
import type { DirectorySnapshot } from "../view.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import type { ConsensusArchive } from "./archive.ts";
import { fetchExtraInfos, fetchNsConsensus, fetchRouters, type MirrorFetchContext } from "./fetch.ts";
import type { MirrorFiles, VerifiedConsensus } from "./mirror-files.ts";
import type { ConsensusToServe, ServedConsensus } from "./served-consensus.ts";

/** What the mirror works with. */
export interface MirrorContext extends MirrorFetchContext {
  /** What the directory reactor knows: the consensus of flavour `microdesc`, and the certificates. */
  readonly current: () => DirectorySnapshot;
  /** Notified when that has changed. */
  readonly changed: Signal;
  readonly archive: ConsensusArchive;
  readonly files: MirrorFiles;
  readonly served: (flavor: ConsensusFlavor) => ServedConsensus | undefined;
  readonly serve: (consensus: ConsensusToServe) => Effect.Effect<void, never, FileSystem.FileSystem>;
}

type Requirements = DirectorySources | Entropy | FileSystem.FileSystem | DocumentWorker;

/** Something that is to be done, and when. */
interface Need {
  readonly at: UnixMillis;
  readonly run: Effect.Effect<void, never, Requirements>;
}

/** How long earlier consensuses are kept for diffs, in hours (param-spec). */
const maxAgeHours = ["max-consensus-age-to-cache-for-diff", { default: 8192, min: 0, max: 8192 }] as const;

const hour = 3_600_000;

/**
 * Keeps what is served up to date for as long as it runs (dir-spec 4.1, 4.2, 4.4). Follows the directory reactor: when that has a new
 * consensus, the one of flavour `ns` is due, and then the descriptors that it lists. It never fails: what cannot be had now is
 * tried again later.
 */
export const runMirror = (context: MirrorContext): Effect.Effect<never, never, Requirements> =>
  Effect.gen(function* () {
    const { below } = yield* Entropy;
    const sources = yield* DirectorySources;
    const { trusted, current, changed, archive, store, files, served } = context;
    const cap = Duration.toMillis(context.timing.fetchRetryCap);
    const backoffs = { consensus: new Backoff(cap), routers: new Backoff(cap), extraInfos: new Backoff(cap) };
    /** When the next attempt at each may be made. */
    const due = { consensus: 0, routers: 0, extraInfos: 0 };
    let failed: DirectorySource | undefined;
    /** Whether to do with a diff: not after one that came to nothing. */
    let diff = true;

    const trust = (now: UnixMillis): ConsensusTrust => ({
      authorities: trusted,
      certificates: current().certificates,
      now,
    });

    const serveNs = ({ consensus, offered, signedDigest }: VerifiedConsensus) =>
      Effect.gen(function* () {
        store.list(consensus.routers, consensus.lifetime.validAfter, yield* Clock.currentTimeMillis);
        yield* context.serve({
          flavor: "ns",
          text: offered.text,
          lifetime: consensus.lifetime,
          signers: offered.unverified.signers,
          signedDigest,
        });
      });

    /** A new consensus of flavour `microdesc` has come. */
    const follow = Effect.gen(function* () {
      const { held, params } = current();
      if (held === undefined) return;
      const { consensus, text, signers } = held;
      const signedDigest = yield* digestForDiffs(text);
      yield* context.serve({ flavor: "microdesc", text, lifetime: consensus.lifetime, signers, signedDigest });
      const now = yield* Clock.currentTimeMillis;
      yield* archive.prune(now - params.get(...maxAgeHours) * hour);
      due.consensus = now;
    });

    const consensus = Effect.gen(function* () {
      const fetched = yield* Effect.result(
        Effect.gen(function* () {
          failed = yield* drawAnother(
            sources,
            { what: "consensus", except: [], urgent: false },
            failed === undefined ? [] : [failed],
          );
          const { name } = failed;
          return { name, verified: yield* fetchNsConsensus(context, failed, served("ns"), diff, trust) };
        }),
      );
      const now = yield* Clock.currentTimeMillis;
      if (fetched._tag === "Failure") {
        const { isHarmless, message } = fetched.failure;
        diff = isHarmless;
        due.consensus = now + backoffs.consensus.next(below);
        return yield* Effect.logInfo(
          `no new ns consensus${failed === undefined ? "" : ` from ${failed.name}`}: ${message}`,
        );
      }
      const { name, verified } = fetched.success;
      failed = undefined;
      diff = true;
      for (const backoff of Object.values(backoffs)) backoff.reset();
      due.routers = now;
      due.extraInfos = now;
      yield* serveNs(verified);
      yield* files.saveConsensus(verified.offered.text);
      yield* Effect.logDebug(`new ns consensus from ${name}`);
    });

    const routers = Effect.gen(function* () {
      const taken = yield* fetchRouters(context, served("ns")?.lifetime.validAfter ?? 0);
      if (taken > 0) yield* files.saveRouters(store);
      due.routers = (yield* Clock.currentTimeMillis) + backoffs.routers.next(below);
      if (store.full) yield* Effect.logWarning(`there is no room for more descriptors: they have ${store.bytes} bytes`);
    });

    const extraInfos = Effect.gen(function* () {
      const taken = yield* fetchExtraInfos(context);
      if (taken > 0) yield* files.saveExtraInfos(store);
      due.extraInfos = (yield* Clock.currentTimeMillis) + backoffs.extraInfos.next(below);
    });

    /** What is on disk can be checked as soon as the certificates are there. */
    let loaded = served("ns") !== undefined;
    const load = Effect.gen(function* () {
      loaded = true;
      const now = yield* Clock.currentTimeMillis;
      const stored = yield* files.loadConsensus(trust(now));
      yield* files.loadDescriptors(store, now);
      if (stored !== undefined) yield* serveNs(stored);
    });

    const needs = (): ReadonlyArray<Need> => {
      const { held } = current();
      if (held === undefined) return [];
      if (held.text !== served("microdesc")?.text) return [{ at: 0, run: follow }];
      if (!loaded) return [{ at: 0, run: load }];
      const needs: Array<Need> = [];
      const ns = served("ns");
      if (ns === undefined || ns.lifetime.validAfter < held.consensus.lifetime.validAfter)
        needs.push({ at: due.consensus, run: consensus });
      if (store.missingRouters().length > 0) needs.push({ at: due.routers, run: routers });
      if (store.missingExtraInfos().length > 0) needs.push({ at: due.extraInfos, run: extraInfos });
      return needs.sort((one, other) => one.at - other.at);
    };

    yield* archive.load;
    for (;;) {
      const now = yield* Clock.currentTimeMillis;
      const [next] = needs();
      if (next === undefined) yield* changed.wait;
      else if (next.at <= now) yield* next.run;
      else yield* Effect.timeoutOption(changed.wait, Duration.millis(next.at - now));
    }
  });
