import { Entropy, type Transport } from "@allium/channel";
import { type LinkEnded, type LinkReader, Signal } from "@allium/kernel";
import type { UnixMillis } from "@allium/netdoc";
import { Clock, Duration, Effect, Exit, FiberMap, Stream, SubscriptionRef } from "effect";
import type { Authority } from "../authorities.ts";
import { Backoff } from "../download/schedule.ts";
import type { DirectoryTiming } from "../timing.ts";
import type { DirectorySnapshot } from "../view.ts";
import { DescriptorSource, type OwnDocuments } from "./descriptor-source.ts";
import { type UploadOutcome, uploadOnce } from "./upload.ts";

/** Asks for new documents. Many that come together count as one: the last one's reason is told. */
export interface PublishCommand {
  readonly _tag: "Publish";
  /** For logs, as in "the onion key has changed". */
  readonly reason: string;
}

/** What was published last, and what the authorities said to it. */
export interface Publication {
  readonly documents: OwnDocuments;
  readonly at: UnixMillis;
  readonly reason: string;
  /** By the authority's name. */
  readonly uploads: ReadonlyMap<string, UploadOutcome>;
}

/** What the publisher works with. */
export interface PublisherContext {
  readonly authorities: ReadonlyArray<Authority>;
  readonly timing: DirectoryTiming;
  readonly commands: LinkReader<PublishCommand>;
  readonly view: Stream.Stream<DirectorySnapshot>;
  /** Written here, and nowhere else. */
  readonly publication: SubscriptionRef.SubscriptionRef<Publication | undefined>;
}

/**
 * Publishes the relay's documents from the first command on: when a command comes, when they are 18 hours old, and when a
 * consensus does not list the relay or calls its descriptor stale (dir-spec 2.1). Never more often than the rate limit allows.
 * Every authority is asked until it has the newest ones.
 */
export const runPublisher = (
  context: PublisherContext,
): Effect.Effect<never, LinkEnded, Transport | Entropy | DescriptorSource> =>
  Effect.scoped(
    Effect.gen(function* () {
      const source = yield* DescriptorSource;
      const { below } = yield* Entropy;
      const { authorities, timing, commands, publication } = context;
      const uploads = yield* FiberMap.make<Authority>();
      const woken = Signal.make();
      yield* commands.wakes(woken);
      const millis = Duration.toMillis;
      const notReady = new Backoff(millis(timing.uploadRetryCap));
      /** Why new documents are wanted; undefined if they are not. */
      let wanted: string | undefined;
      const before = SubscriptionRef.getUnsafe(publication);
      /** Not before this are they built. */
      let notBefore: UnixMillis = before === undefined ? 0 : before.at + millis(timing.publishInterval);

      /** Nor before this, after the source was not ready. Whoever asks meanwhile knows why to try again. */
      let notReadyUntil: UnixMillis = 0;

      const want = (reason: string, now: UnixMillis): void => {
        notReadyUntil = 0;
        if (wanted === undefined) notBefore = Math.max(notBefore, now + millis(timing.publishGrace));
        wanted = reason;
      };

      yield* context.view.pipe(
        Stream.runForEach((snapshot) =>
          Effect.gen(function* () {
            const now = yield* Clock.currentTimeMillis;
            const reason = reasonToRepublish(snapshot, source.fingerprint, now);
            const last = SubscriptionRef.getUnsafe(publication);
            if (reason === undefined || last === undefined) return;
            if (now - last.at < millis(timing.unlistedRepublishAge)) return;
            want(reason, now);
            woken.notify();
          }),
        ),
        Effect.forkScoped,
      );

      const upload = (authority: Authority, documents: OwnDocuments) =>
        FiberMap.run(uploads, authority, uploadUntilAccepted(context, authority, documents));

      const publish = Effect.fnUntraced(function* (reason: string) {
        const now = yield* Clock.currentTimeMillis;
        const built = yield* Effect.result(source.build(now));
        if (built._tag === "Failure") {
          notReadyUntil = now + notReady.next(below);
          yield* Effect.logInfo(`not published: ${built.failure.message}`);
          return;
        }
        notReady.reset();
        wanted = undefined;
        notBefore = now + millis(timing.publishInterval);
        const waiting = authorities.map(({ name }) => [name, { _tag: "Waiting" } as UploadOutcome] as const);
        const next: Publication = { documents: built.success, at: now, reason, uploads: new Map(waiting) };
        yield* SubscriptionRef.set(publication, next);
        yield* Effect.logInfo(`publishing a new descriptor: ${reason}`);
        for (const authority of authorities) yield* upload(authority, built.success);
      });

      // After a restart the uploads that were under way go on.
      for (const authority of authorities) {
        if (before !== undefined && before.uploads.get(authority.name)?._tag !== "Accepted")
          yield* upload(authority, before.documents);
      }

      for (;;) {
        const now = yield* Clock.currentTimeMillis;
        for (let taken = commands.takeUnsafe(); taken !== undefined; taken = commands.takeUnsafe()) {
          if (Exit.isFailure(taken)) return yield* Effect.failCause(taken.cause);
          want(taken.value.reason, now);
        }
        const last = SubscriptionRef.getUnsafe(publication);
        const isOld = last !== undefined && now >= last.at + millis(timing.republishAge);
        if (isOld && wanted === undefined) want("the descriptor has become old", now);
        const buildAt = Math.max(notBefore, notReadyUntil);
        if (wanted !== undefined && now >= buildAt) {
          yield* publish(wanted);
          continue;
        }
        const next =
          wanted !== undefined ? buildAt : last === undefined ? undefined : last.at + millis(timing.republishAge);
        yield* next === undefined ? woken.wait : Effect.timeoutOption(woken.wait, Duration.millis(next - now));
      }
    }),
  );

/** Why a consensus asks for a new descriptor of a relay; undefined if it does not. */
const reasonToRepublish = (
  { consensus }: DirectorySnapshot,
  fingerprint: string,
  now: UnixMillis,
): string | undefined => {
  if (consensus === undefined || !consensus.isUsable(now)) return undefined;
  const router = consensus.router(fingerprint);
  if (router === undefined) return "the consensus does not list us";
  return router.flags.has("StaleDesc") ? "the consensus calls our descriptor stale" : undefined;
};

/** Asks an authority until it has the documents, and notes what it says. */
const uploadUntilAccepted = (
  { timing, publication }: PublisherContext,
  authority: Authority,
  documents: OwnDocuments,
): Effect.Effect<void, never, Transport | Entropy> =>
  Effect.gen(function* () {
    const { below } = yield* Entropy;
    const backoff = new Backoff(Duration.toMillis(timing.uploadRetryCap));
    for (;;) {
      const outcome = yield* uploadOnce(authority, documents, timing);
      yield* SubscriptionRef.update(publication, (last) =>
        last?.documents === documents ? { ...last, uploads: new Map(last.uploads).set(authority.name, outcome) } : last,
      );
      if (outcome._tag === "Accepted") {
        yield* Effect.logInfo(`${authority.name} has our descriptor`);
        return;
      }
      const refused = outcome._tag === "Refused";
      const delay = backoff.next(below, refused ? Duration.toMillis(timing.refusedRetry) : undefined);
      yield* refused
        ? Effect.logWarning(`${authority.name} refuses our descriptor: ${outcome.status} ${outcome.text}`)
        : Effect.logInfo(`${authority.name} does not take our descriptor: ${outcome.error.message}`);
      yield* Effect.sleep(Duration.millis(delay));
    }
  });
