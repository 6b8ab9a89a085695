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
  type OpenedStream,
  refuseStream,
  type StreamAdmission,
  type StreamOpener,
  type StreamOrigin,
  type StreamRefusal,
} from "@allium/circuit";
import { Effect } from "effect";
import { isNull, isPublic, isReverseName, unmapped } from "./addresses.ts";
import { chooseAddress, type FamilyAnswer } from "./choose-address.ts";
import type { OpenerCounters } from "./counters.ts";
import { endReasonOfTransportError } from "./end-reason.ts";
import type { ExitOptions } from "./exit-options.ts";
import { CONNECT_TIMEOUT, MAX_CONNECTING } from "./limits.ts";
import type { ResolverCache } from "./resolver-cache.ts";
import { DEFAULT_DNS_TTL } from "./ttl.ts";

/** What the openers of all circuits share. */
export interface OpenerParts {
  readonly options: ExitOptions;
  readonly names: ResolverCache;
  readonly transport: Transport["Service"];
  readonly counters: OpenerCounters;
  readonly linger: (connection: Connection) => void;
}

// What the client is told, in the order in which it is found out (the reasons are those of `tor`'s exit):
//
// | BEGIN | END |
// | --- | --- |
// | the relay is about to end | HIBERNATING |
// | straight from a client, or through a relay that the network does not know | TORPROTOCOL |
// | takes IPv6 only, and this exit has none | EXITPOLICY |
// | a name, and this relay is no exit; the name of a reverse look-up | RESOLVEFAILED |
// | a name that does not resolve in a family that the client takes | RESOLVEFAILED |
// | an address that the policy refuses, given or resolved | EXITPOLICY, with the address and its time to live |
// | an address and port inside the network | CONNECTREFUSED |
// | too many attempts to connect | RESOURCELIMIT |
// | the connection failed, or took too long | see end-reason.ts |

/** Opens the streams of one circuit. tor-spec 6.2 to 6.4. */
export class ExitOpener implements StreamOpener {
  private readonly parts: OpenerParts;
  private readonly origin: StreamOrigin;
  readonly beginDirectory: Effect.Effect<OpenedStream, StreamRefusal>;
  readonly linger: (connection: Connection) => void;
  readonly admit: () => StreamAdmission;

  constructor(parts: OpenerParts, origin: StreamOrigin) {
    this.parts = parts;
    this.origin = origin;
    this.linger = parts.linger;
    this.admit = parts.options.streamsOfCircuit?.() ?? (() => "open");
    this.beginDirectory = this.counted(
      parts.options.beginDirectory?.(origin) ?? Effect.fail(refuseStream(EndReason.NOTDIRECTORY)),
      "BEGIN_DIR",
    );
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
      return this.answer(query);
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
      return this.parts.options.accepting?.() === false ? Effect.fail(refuseStream(EndReason.HIBERNATING)) : opening;
    }).pipe(
      Effect.tap(() => Effect.sync(() => counters[kind === "BEGIN" ? "opened" : "directoryOpened"]++)),
      Effect.tapError(({ end }) => Effect.sync(() => counters.refuse(end.reason))),
    );
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
    return Effect.flatMap(names.forward(destination.address), (answer) => {
      const policy = options.policy();
      const chosen = chooseAddress(answer, flags, ({ address }) => policy.permits(address, port));
      return chosen._tag === "Found"
        ? this.connect(chosen.address, chosen.ttl, port)
        : Effect.fail(refuseStream(EndReason.RESOLVEFAILED));
    });
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
    if (counters.connecting >= (options.bounds?.maxConnecting ?? MAX_CONNECTING)) {
      return Effect.fail(refuseStream(EndReason.RESOURCELIMIT));
    }
    const endpoint = { host: target.address, port };
    counters.connecting++;
    return transport.connect(endpoint, { tls: false }).pipe(
      Effect.timeoutOrElse({
        duration: CONNECT_TIMEOUT,
        orElse: () => Effect.fail(new TransportError({ kind: "timeout", code: "ETIMEDOUT", endpoint })),
      }),
      Effect.ensuring(Effect.sync(() => counters.connecting--)),
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
    return isReverseName(query.address) ? this.answerReverse(query.address) : this.answerForward(query.address);
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

type Found = Extract<FamilyAnswer, { readonly _tag: "Found" }>;

const failure = (transient: boolean, ttl: number): ResolvedAnswer => ({ _tag: "ERROR", transient, ttl });
