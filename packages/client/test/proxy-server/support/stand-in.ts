import type { IpAddress } from "@allium/cell";
import { connectionPair, type PairedConnection } from "@allium/channel";
import { Effect, Stream } from "effect";
import type { ConnectError } from "../../../src/errors.ts";
import type { BootstrapStatus } from "../../../src/status.ts";
import type { ResolvedName, StreamOptions, Target, TorClientService } from "../../../src/tor-client.ts";

/** A stream that was asked for: its far end is the test's. */
export interface Asked {
  readonly target: Target;
  readonly options: StreamOptions;
  readonly far: PairedConnection;
}

const READY: BootstrapStatus = { phase: "ready", progress: 1, waitsFor: "nothing", trouble: undefined };

/** A Tor client whose streams lead to the test. */
export class StandIn {
  readonly asked: Array<Asked> = [];
  readonly lookedUp: Array<{ readonly name: string; readonly options: StreamOptions }> = [];
  /** What becomes of a request before it has its stream. */
  before: Effect.Effect<void, ConnectError> = Effect.void;
  addresses: ReadonlyArray<ResolvedName<IpAddress>> = [];
  names: ReadonlyArray<ResolvedName<string>> = [];
  /** Requests that were given up. */
  interrupted = 0;
  /** Bytes that a stream's application may leave unread. */
  bound = 128 * 1024;

  readonly service: TorClientService = {
    ready: Effect.void,
    failed: Effect.never,
    open: (target, options = {}) =>
      this.heeding(
        Effect.sync(() => {
          const [connection, far] = connectionPair(this.bound);
          this.asked.push({ target, options, far });
          return { connection, address: undefined, tunnel: this.asked.length };
        }),
      ),
    connect: () => {
      throw new Error("nobody asks the stand-in for sockets");
    },
    resolve: (name, options = {}) =>
      this.heeding(
        Effect.sync(() => {
          this.lookedUp.push({ name, options });
          return this.addresses;
        }),
      ),
    reverse: (name, options = {}) =>
      this.heeding(
        Effect.sync(() => {
          this.lookedUp.push({ name, options });
          return this.names;
        }),
      ),
    isolated: Effect.sync(() => this.service),
    status: () => READY,
    tunnels: () => [],
    events: Stream.empty,
  };

  private heeding<A>(answer: Effect.Effect<A>): Effect.Effect<A, ConnectError> {
    return Effect.suspend(() => this.before).pipe(
      Effect.andThen(answer),
      Effect.onInterrupt(() => Effect.sync(() => void this.interrupted++)),
    );
  }
}
