import { EndReason } from "@allium/cell";
import { Entropy } from "@allium/channel";
import {
  type CircuitError,
  type CircuitLimits,
  CircuitProtocolError,
  Conflux,
  type ConfluxMessage,
  DEFAULT_CIRCUIT_LIMITS,
  type LinkableCircuit,
  microsOfNanos,
  refuseStream,
  StreamHandling,
  type StreamOpener,
} from "@allium/circuit";
import { Memory, ReactorGroup } from "@allium/kernel";
import { Clock, Context, Deferred, Effect, Layer } from "effect";
import { DEFAULT_MAX_SETS, LINK_TIMEOUT_US } from "./limits.ts";
import { beginSet, type SetHome } from "./manager/begin-set.ts";
import { type LinkRequest, manager } from "./manager/manager.ts";
import { type OutgoingSet, outgoingSet } from "./manager/outgoing-set.ts";
import { Sets } from "./manager/sets.ts";
import type { ConfluxParams } from "./params.ts";
import type { ConfluxScheduler } from "./schedule/scheduler.ts";
import { schedulerFor } from "./schedule/scheduler-for.ts";
import type { ConfluxSet } from "./set/conflux-set.ts";

/** How conflux behaves in a process; each function is asked when it is needed, so that values may change. */
export interface ConfluxConfig {
  readonly params: () => ConfluxParams;
  /** Whether others may link circuits here. @default what the parameters say */
  readonly accepts?: () => boolean;
  /** Sets that others may have begun. @default DEFAULT_MAX_SETS */
  readonly maxSets?: () => number;
  /**
   * What is asked of the scheduling of those who link here, a `ConfluxUx`, by what they ask of ours. @default the same: whoever wants throughput
   * wants it in both directions. `tor`'s exits ask for MIN_LATENCY, so that its clients upload over one leg.
   */
  readonly desiredUx?: (wanted: number) => number;
  /**
   * Whether sets outlive the loss of a leg whose initiators offer that: what is not acknowledged is kept, and sent again on another leg. An extension
   * of ours, see docs/decisions/0019-resumption.md. @default no
   */
  readonly resumption?: () => boolean;
  readonly limits?: Partial<CircuitLimits>;
}

/** How a set is begun from this side. */
export interface BeginOptions {
  /** What is asked of the other end's scheduling, a `ConfluxUx`. */
  readonly desiredUx: number;
  /** How long LINKED may take, microseconds. @default LINK_TIMEOUT_US */
  readonly timeoutUs?: number;
  /** Whether to offer that what goes with a leg is sent again on another: only to who is known to understand it. @default false */
  readonly resumption?: boolean;
}

/** The scheduler for what the other end of a set asks for, a `ConfluxUx`; another one is a Layer away. @default schedulerFor */
export const ConfluxSchedulers = Context.Reference<(ux: number, params: ConfluxParams) => ConfluxScheduler>(
  "allium/conflux/Schedulers",
  { defaultValue: () => schedulerFor },
);

/** The sets of a process: those that others begin are answered, and more are begun here. */
export class ConfluxManager extends Context.Service<
  ConfluxManager,
  {
    /** Begins a set from this side. It ends with its last leg, or when it is stopped. */
    readonly begin: (options: BeginOptions) => OutgoingSet;
    /** All sets, to look at. */
    readonly sets: () => ReadonlyArray<ConfluxSet>;
  }
>()("allium/conflux/ConfluxManager") {}

const make = Effect.fnUntraced(function* (config: ConfluxConfig) {
  const clock = yield* Clock.Clock;
  const groups = yield* ReactorGroup.host;
  const entropy = yield* Entropy;
  const schedulers = yield* ConfluxSchedulers;
  const { params } = config;
  const home: SetHome = {
    groups,
    clock,
    entropy,
    limits: { ...DEFAULT_CIRCUIT_LIMITS, ...config.limits },
    handling: yield* StreamHandling,
    quota: yield* Memory.Quota,
    params,
    scheduler: (ux) => schedulers(ux, params()),
    fork: Effect.runForkWith(yield* Effect.context<never>()),
  };
  let begun = 0;
  const nextName = (): string => `set ${++begun}`;
  const incoming = new Sets<ConfluxSet>(config.maxSets ?? (() => DEFAULT_MAX_SETS));
  const outgoing = new Set<ConfluxSet>();

  const group = groups.make({ name: "conflux manager" });
  const requests = group.link<LinkRequest>("ingress → conflux manager");
  const reactor = manager({
    home,
    sets: incoming,
    accepts: config.accepts ?? (() => params().enabled),
    desiredUx: config.desiredUx ?? ((wanted) => wanted),
    resumption: config.resumption ?? (() => false),
    nextName,
  });
  yield* Effect.orDie(group.start(reactor.wire({ requests: requests.reader })));

  const ask = (circuit: LinkableCircuit, hop: number, message: ConfluxMessage) => {
    if (message._tag !== "CONFLUX_LINK") {
      return Effect.fail(new CircuitProtocolError({ where: message._tag, detail: "on a circuit that is no leg" }));
    }
    const answered = Deferred.makeUnsafe<void, CircuitError>();
    return requests.writer.offer({ circuit, hop, message, answered }).pipe(
      // The manager ends with the process.
      Effect.catch(() => Effect.interrupt),
      Effect.andThen(Deferred.await(answered)),
    );
  };
  const begin = ({ desiredUx, timeoutUs = LINK_TIMEOUT_US, resumption = false }: BeginOptions): OutgoingSet => {
    const set = beginSet(
      home,
      nextName(),
      () => NO_OPENER,
      (ended) => outgoing.delete(ended),
    );
    outgoing.add(set.set);
    return outgoingSet({
      begun: set,
      nonce: entropy.bytes(32),
      desiredUx,
      timeoutUs,
      resumption,
      now: () => microsOfNanos(clock.monotonicTimeNanosUnsafe()),
    });
  };
  return Context.make(Conflux, Conflux.of({ onMessage: ask })).pipe(
    Context.add(ConfluxManager, ConfluxManager.of({ begin, sets: () => [...incoming.values(), ...outgoing] })),
  );
});

/** Nobody opens streams towards who began a set. */
const NO_OPENER: StreamOpener = {
  begin: () => Effect.fail(refuseStream(EndReason.EXITPOLICY)),
  beginDirectory: Effect.fail(refuseStream(EndReason.NOTDIRECTORY)),
  resolve: () => Effect.succeed([]),
  linger: (connection) => connection.end(),
};

/** Conflux for the circuits of a process, whichever end of it they are at. */
export const layer = (config: ConfluxConfig): Layer.Layer<ConfluxManager | Conflux, never, StreamHandling | Entropy> =>
  Layer.effectContext(make(config));
