import { type Connection, Transport } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { Effect, type Scope } from "effect";
import { monotonicMillis } from "../monotonic.ts";
import { TokenBucket, type TokenRate } from "../token-bucket.ts";
import { LimitedConnection, type TokenSource } from "./limited-connection.ts";
import { REFILL_PERIOD_MILLIS } from "./limits.ts";

/** How fast bytes may pass. */
export interface BandwidthLimits {
  /** Bytes a second, in the long run. */
  readonly rate: number;
  /** Bytes at once, after a pause. */
  readonly burst: number;
}

/** Holds the channels of a relay to a bandwidth. */
export interface BandwidthLimiter {
  /** A transport whose TLS connections take part. It costs nothing while there are no limits. */
  readonly limit: (transport: Transport["Service"]) => Transport["Service"];
  /** Other limits, or none. Connections that were opened while there were none stay without. */
  readonly setLimits: (limits: BandwidthLimits | undefined) => void;
  /** How often a connection had to wait for tokens so far. */
  readonly waits: () => { readonly read: number; readonly write: number };
}

/**
 * Limits what all channels together read, and what they write, to one rate each: torrc's `RelayBandwidthRate` and
 * `RelayBandwidthBurst`. Connections that wait for tokens have their turns in a circle.
 */
export const makeBandwidthLimiter = (
  initial: BandwidthLimits | undefined,
): Effect.Effect<BandwidthLimiter, never, Scope.Scope> =>
  Effect.gen(function* () {
    const now = yield* monotonicMillis;
    /** A token is a byte, and time is milliseconds. */
    let limits: TokenRate | undefined;
    let buckets: { readonly read: TokenBucket; readonly write: TokenBucket } | undefined;
    // In the order of their turns.
    const waiting = { read: new Set<LimitedConnection>(), write: new Set<LimitedConnection>() };
    const waits = { read: 0, write: 0 };
    const someoneWaits = Signal.make();

    /** Whole bytes that may pass now. */
    const available = (side: "read" | "write"): number => {
      if (limits === undefined || buckets === undefined) return Number.POSITIVE_INFINITY;
      const bucket = buckets[side];
      bucket.refill(limits, now());
      return Math.floor(bucket.tokens);
    };
    const setLimits = (next: BandwidthLimits | undefined): void => {
      // What came until now came at the rate before.
      available("read");
      available("write");
      limits = next === undefined ? undefined : { rate: next.rate / 1_000, burst: next.burst };
      if (limits === undefined) buckets = undefined;
      else buckets ??= { read: new TokenBucket(limits, now()), write: new TokenBucket(limits, now()) };
    };
    setLimits(initial);

    const tokens: TokenSource = {
      readable: () => available("read"),
      writable: () => available("write"),
      tookRead: (bytes) => buckets?.read.take(bytes),
      tookWritten: (bytes) => buckets?.write.take(bytes),
      wait: (connection, side) => {
        waits[side]++;
        waiting[side].add(connection);
        someoneWaits.notify();
      },
      forget: (connection) => {
        waiting.read.delete(connection);
        waiting.write.delete(connection);
      },
    };

    const giveTurns = (side: "read" | "write"): void => {
      for (const connection of [...waiting[side]]) {
        if (available(side) === 0) return;
        // Who does not get enough queues up again, behind the others.
        waiting[side].delete(connection);
        connection.onTokens();
      }
    };
    const turns = Effect.gen(function* () {
      for (;;) {
        if (waiting.read.size + waiting.write.size === 0) yield* someoneWaits.wait;
        yield* Effect.sleep(REFILL_PERIOD_MILLIS);
        giveTurns("read");
        giveTurns("write");
      }
    });
    yield* Effect.forkScoped(turns);

    const wrap = (connection: Connection): Connection =>
      limits === undefined ? connection : new LimitedConnection(connection, tokens);

    return {
      setLimits,
      waits: () => ({ ...waits }),
      limit: (transport) =>
        Transport.of({
          connect: (endpoint, options) =>
            options.tls ? Effect.map(transport.connect(endpoint, options), wrap) : transport.connect(endpoint, options),
          listen: (endpoint, options) =>
            transport.listen(
              endpoint,
              options.tls === undefined
                ? options
                : { ...options, onConnection: (connection) => options.onConnection(wrap(connection)) },
            ),
        }),
    };
  });
