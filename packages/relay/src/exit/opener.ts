import {
  addressOfReverseName,
  type Begin,
  BeginFlag,
  EndReason,
  type IpAddress,
  isLegalHostName,
  type Resolve,
  type ResolvedAnswer,
} from "@allium/cell";
import { type Connection, type Transport, TransportError } from "@allium/channel";
import {
  type EndingOpener,
  type OpenedStream,
  refuseStream,
  type StreamAdmission,
  type StreamOrigin,
  type StreamRefusal,
} from "@allium/circuit";
import { Effect, Fiber } from "effect";
import { isNull, isPublic, isReverseName, unmapped } from "./addresses.ts";
import { chooseAddress, type FamilyAnswer } from "./choose-address.ts";
import type { OpenerCounters, StreamBound } from "./counters.ts";
import { endReasonOfTransportError } from "./end-reason.ts";
import type { ExitOptions } from "./exit-options.ts";
import { CONNECT_TIMEOUT, MAX_STREAMS_PER_CIRCUIT } from "./limits.ts";
import { CircuitPlaces } from "./places.ts";
import type { ResolverCache } from "./resolver-cache.ts";
import { DEFAULT_DNS_TTL } from "./ttl.ts";

/** What the openers of all circuits share. */
export interface OpenerParts {
  readonly options: ExitOptions;
  readonly names: ResolverCache;
  readonly transport: Transport["Service"];
  readonly counters: OpenerCounters;
  readonly linger: (connection: Connection) => void;
  /** Starts an effect in a fiber of the exit. */
  readonly fork: <A>(effect: Effect.Effect<A>) => Effect.Effect<Fiber.Fiber<A>>;
}

// What the client is told, in the order in which it is found out (the reasons are those of `tor`'s exit):
//
// | BEGIN | END |
// | --- | --- |
// | the relay is about to end | HIBERNATING |
// | too many streams, of this circuit or of all | RESOURCELIMIT |
// | straight from a client, or through a relay that the network does not know | TORPROTOCOL |
// | takes IPv6 only, and this exit has none | EXITPOLICY |
// | too many names are waited for | RESOURCELIMIT |
// | a name, and this relay is no exit; the name of a reverse look-up | RESOLVEFAILED |
// | a name that does not resolve in a family that the client takes | RESOLVEFAILED |
// | an address that the policy refuses, given or resolved | EXITPOLICY, with the address and its time to live |
// | an address and port inside the network | CONNECTREFUSED |
// | too many attempts to connect | RESOURCELIMIT |
// | the connection failed, or took too long | see end-reason.ts |

/** Opens the streams of one circuit. tor-spec 6.2 to 6.4. */
export class ExitOpener implements EndingOpener {
  private readonly parts: OpenerParts;
  private readonly origin: StreamOrigin;
  readonly beginDirectory: Effect.Effect<OpenedStream, StreamRefusal>;
  readonly admit: () => StreamAdmission;
  /** What this circuit has of what all share. */
  private readonly streams: CircuitPlaces;
  private readonly directory: CircuitPlaces;
  private readonly lookups: CircuitPlaces;
  private readonly connecting: CircuitPlaces;

  constructor(parts: OpenerParts, origin: StreamOrigin) {
    this.parts = parts;
    this.origin = origin;
    const { places } = parts.counters;
    this.streams = new CircuitPlaces(places.streams);
    this.directory = new CircuitPlaces(places.directory);
    this.lookups = new CircuitPlaces(places.lookups);
    this.connecting = new CircuitPlaces(places.connecting);
    this.admit = parts.options.streamsOfCircuit?.() ?? (() => "open");
    const { beginDirectory } = parts.options;
    this.beginDirectory = this.counted(
      beginDirectory === undefined
        ? Effect.fail(refuseStream(EndReason.NOTDIRECTORY))
        : Effect.suspend(() =>
            this.directory.isFull
              ? this.refuseFor("directory")
              : this.directory.during(beginDirectory(origin), connectionOf),
          ),
      "BEGIN_DIR",
    );
  }

  linger(connection: Connection): void {
    this.streams.leave(connection);
    this.directory.leave(connection);
    this.parts.linger(connection);
  }

  onCircuitEnd(): void {
    // Not those of look-ups: name servers are still being asked.
    for (const places of [this.streams, this.directory, this.connecting]) places.end();
  }

  begin(request: Begin): Effect.Effect<OpenedStream, StreamRefusal> {
    return this.counted(
      Effect.suspend(() => this.open(request)),
      "BEGIN",
    );
  }

  resolve({ query }: Resolve): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    const { counters } = this.parts;
    return Effect.suspend(() => {
      counters.asked.RESOLVE++;
      const bound = this.boundOfStreams();
      if (bound === undefined) return this.streams.during(this.answer(query));
      this.note(bound);
      return Effect.succeed([failure(true, 0)]);
    }).pipe(
      Effect.tap(([first]) =>
        Effect.sync(() => {
          if (first?._tag === "ERROR") counters.unresolved++;
          else counters.resolved++;
        }),
      ),
    );
  }

  private counted(
    opening: Effect.Effect<OpenedStream, StreamRefusal>,
    kind: "BEGIN" | "BEGIN_DIR",
  ): Effect.Effect<OpenedStream, StreamRefusal> {
    const { counters } = this.parts;
    return Effect.suspend(() => {
      counters.asked[kind]++;
      if (this.parts.options.accepting?.() === false) return Effect.fail(refuseStream(EndReason.HIBERNATING));
      const bound = this.boundOfStreams();
      return bound === undefined ? this.streams.during(opening, connectionOf) : this.refuseFor(bound);
    }).pipe(
      Effect.tap(() => Effect.sync(() => counters[kind === "BEGIN" ? "opened" : "directoryOpened"]++)),
      Effect.tapError(({ end }) => Effect.sync(() => counters.refuse(end.reason))),
    );
  }

  /** Which bound there is in the way of one more stream. */
  private boundOfStreams(): "streamsPerCircuit" | "streams" | undefined {
    const { streams } = this;
    const own = this.parts.options.bounds?.maxStreamsPerCircuit ?? MAX_STREAMS_PER_CIRCUIT;
    return streams.size >= own ? "streamsPerCircuit" : streams.isFull ? "streams" : undefined;
  }

  private note(bound: StreamBound): void {
    this.parts.counters.bounded[bound]++;
    this.parts.options.onBound?.(bound);
  }

  private refuseFor(bound: StreamBound): Effect.Effect<never, StreamRefusal> {
    this.note(bound);
    return Effect.fail(refuseStream(EndReason.RESOURCELIMIT));
  }

  private open({ destination, port, flags }: Begin): Effect.Effect<OpenedStream, StreamRefusal> {
    const { options, names } = this.parts;
    if (this.isOnlyHop() && options.allowSingleHop !== true) return Effect.fail(refuseStream(EndReason.TORPROTOCOL));
    if (!options.ipv6() && (flags & BeginFlag.IPV4_NOT_OKAY) !== 0) {
      return Effect.fail(refuseStream(EndReason.EXITPOLICY));
    }
    if (destination.family !== "name") return this.connect(destination, DEFAULT_DNS_TTL, port);
    if (options.policy().rejectsAll || isReverseName(destination.address)) {
      return Effect.fail(refuseStream(EndReason.RESOLVEFAILED));
    }
    if (this.lookups.isFull) return this.refuseFor("lookups");
    return Effect.flatMap(this.lookUp(names.forward(destination.address)), (answer) => {
      const policy = options.policy();
      const chosen = chooseAddress(answer, flags, ({ address }) => policy.permits(address, port));
      return chosen._tag === "Found"
        ? this.connect(chosen.address, chosen.ttl, port)
        : Effect.fail(refuseStream(EndReason.RESOLVEFAILED));
    });
  }

  /**
   * Waits for a name. Its place is taken until there is an answer, whoever still waits for it: a question cannot be taken back, and who
   * asks and leaves, again and again, asks no less.
   */
  private lookUp<A>(question: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.flatMap(this.parts.fork(this.lookups.during(question)), Fiber.join);
  }

  /** Whether nobody else on the circuit is known to be a relay. */
  private isOnlyHop(): boolean {
    const { peer } = this.origin;
    return peer === undefined || this.parts.options.isKnownRelay?.(peer) === false;
  }

  /** Connects to an address that was asked for, or that a name led to. */
  private connect(address: IpAddress, ttl: number, port: number): Effect.Effect<OpenedStream, StreamRefusal> {
    const { options, counters, transport } = this.parts;
    const target = unmapped(address);
    const excluded = isNull(target) || (target.family === 6 && !options.ipv6());
    if (excluded || !options.policy().permits(target.address, port)) {
      return Effect.fail(refuseStream(EndReason.EXITPOLICY, { address, ttl }));
    }
    // Not EXITPOLICY: the client would try the next exit, and load the network the more.
    if (options.isNetworkAddress?.(target, port) === true) {
      return Effect.fail(refuseStream(EndReason.CONNECTREFUSED));
    }
    if (this.connecting.isFull) return this.refuseFor("connecting");
    const endpoint = { host: target.address, port };
    const connecting = transport.connect(endpoint, { tls: false }).pipe(
      Effect.timeoutOrElse({
        duration: CONNECT_TIMEOUT,
        orElse: () => Effect.fail(new TransportError({ kind: "timeout", code: "ETIMEDOUT", endpoint })),
      }),
    );
    return this.connecting.during(connecting).pipe(
      Effect.mapError((error) => {
        const reason = endReasonOfTransportError(error);
        if (reason === EndReason.RESOURCELIMIT) counters.exhausted++;
        return refuseStream(reason);
      }),
      Effect.map((connection) => {
        counters.connected[target.family]++;
        return { connection, connected: { _tag: "CONNECTED", resolved: { address, ttl } } };
      }),
    );
  }

  private answer(query: Resolve["query"]): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    if (query.family !== "name") return Effect.succeed([{ _tag: "ADDRESS", address: query, ttl: DEFAULT_DNS_TTL }]);
    if (this.parts.options.policy().rejectsAll) return Effect.succeed([failure(false, 0)]);
    if (this.lookups.isFull) {
      this.note("lookups");
      return Effect.succeed([failure(true, 0)]);
    }
    return this.lookUp(
      isReverseName(query.address) ? this.answerReverse(query.address) : this.answerForward(query.address),
    );
  }

  private answerForward(name: string): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    return Effect.map(this.parts.names.forward(name), ({ ipv4, ipv6 }) => {
      const found = [ipv4, ipv6].filter((answer): answer is Found => answer?._tag === "Found");
      const [first] = found;
      if (first === undefined) return [failure(ipv4._tag === "Failed" && ipv4.transient, ipv4.ttl)];
      // As `tor`, one time to live for both.
      return found.map(({ address }) => ({ _tag: "ADDRESS", address, ttl: first.ttl }));
    });
  }

  private answerReverse(name: string): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    const address = addressOfReverseName(name);
    if (address === undefined || !isPublic(address)) return Effect.succeed([failure(false, 0)]);
    return Effect.map(this.parts.names.reverse(address), (answer) => {
      // Whoever owns the address says what its name is: it may be anything at all.
      if (answer._tag === "Found" && isLegalHostName(answer.name)) {
        return [{ _tag: "HOSTNAME", name: answer.name, ttl: answer.ttl }];
      }
      // As `tor`, which takes every failure of this kind for permanent.
      return [failure(false, answer.ttl)];
    });
  }
}

const connectionOf = ({ connection }: OpenedStream): Connection => connection;

type Found = Extract<FamilyAnswer, { readonly _tag: "Found" }>;

const failure = (transient: boolean, ttl: number): ResolvedAnswer => ({ _tag: "ERROR", transient, ttl });
