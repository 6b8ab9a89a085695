import {
  addressOfReverseName,
  type Begin,
  BeginFlag,
  EndReason,
  type IpAddress,
  type Resolve,
  type ResolvedAnswer,
} from "@allium/cell";
import { type Connection, type Entropy, Transport, TransportError } from "@allium/channel";
import {
  type OpenedStream,
  refuseStream,
  type StreamOpener,
  StreamOpeners,
  type StreamOrigin,
  type StreamRefusal,
} from "@allium/circuit";
import { ExitPolicy } from "@allium/netdoc";
import { Context, Effect, Layer } from "effect";
import { chooseAddress, type FamilyAnswer } from "./choose-address.ts";
import { type ExitCounts, OpenerCounters } from "./counters.ts";
import { endReasonOfTransportError } from "./end-reason.ts";
import { CONNECT_TIMEOUT } from "./limits.ts";
import { type LingerBounds, makeLingerers } from "./linger.ts";
import type { Resolver } from "./resolver.ts";
import { makeResolverCache, type ResolverCache, type ResolverCacheOptions } from "./resolver-cache.ts";
import { DEFAULT_DNS_TTL } from "./ttl.ts";

/** What an exit may do. Functions are asked anew for each stream: what they answer may change with a new consensus. */
export interface ExitConfig {
  /** Which destinations are permitted; `ExitPolicy.rejectAll` if the relay is no exit. */
  readonly policy: () => ExitPolicy;
  /** Whether IPv6 destinations are used at all. Without it names are not asked for IPv6 addresses. */
  readonly ipv6: boolean;
  /** Whether a client may use this relay as its only hop. @default false */
  readonly allowSingleHop?: boolean;
  /**
   * Whether an address and port is that of a relay's or an authority's ORPort or DirPort: traffic does not leave the network
   * to enter it again. Ask the consensus parameter `allow-network-reentry` here too. @default nothing is
   */
  readonly isNetworkAddress?: (address: IpAddress, port: number) => boolean;
  /** Answers BEGIN_DIR. @default refuses with NOTDIRECTORY */
  readonly beginDirectory?: Effect.Effect<OpenedStream, StreamRefusal>;
  /** Bounds other than those of `limits.ts`. */
  readonly bounds?: LingerBounds & Omit<ResolverCacheOptions, "ipv6">;
}

/** What the exit has done, for metrics. */
export class ExitStatus extends Context.Service<ExitStatus, { readonly counts: () => ExitCounts }>()(
  "allium/relay/ExitStatus",
) {}

/** Names of addresses in these networks are nobody else's business. */
const publicAddresses = ExitPolicy.ofOptions({ rules: ["accept *:*"], ipv6: true, rejectPrivate: true });
const isPublic = (address: IpAddress): boolean => publicAddresses.permits(address.address, 80);

/** Ends of the names under which addresses are looked up. They are resolved as such only, never connected to. */
const isReverseName = (name: string): boolean => name.endsWith(".in-addr.arpa") || name.endsWith(".ip6.arpa");

/** An address that stands for none: nobody can be connected to there, and CONNECTED cannot name it. */
const isNull = (address: IpAddress): boolean => address.address === "0.0.0.0" || address.address === "::";

class ExitOpener implements StreamOpener {
  private readonly config: ExitConfig;
  private readonly origin: StreamOrigin;
  private readonly names: ResolverCache;
  private readonly transport: Transport["Service"];
  private readonly counters: OpenerCounters;
  readonly beginDirectory: Effect.Effect<OpenedStream, StreamRefusal>;
  readonly linger: (connection: Connection) => void;

  constructor(
    config: ExitConfig,
    origin: StreamOrigin,
    names: ResolverCache,
    transport: Transport["Service"],
    counters: OpenerCounters,
    linger: (connection: Connection) => void,
  ) {
    this.config = config;
    this.origin = origin;
    this.names = names;
    this.transport = transport;
    this.counters = counters;
    this.linger = linger;
    this.beginDirectory = (config.beginDirectory ?? Effect.fail(refuseStream(EndReason.NOTDIRECTORY))).pipe(
      Effect.tap(() => Effect.sync(() => this.counters.directoryOpened++)),
      Effect.tapError((refusal) => Effect.sync(() => this.counters.refuse(refusal.end.reason))),
    );
  }

  begin(request: Begin): Effect.Effect<OpenedStream, StreamRefusal> {
    return Effect.suspend(() => this.open(request)).pipe(
      Effect.tap(() => Effect.sync(() => this.counters.opened++)),
      Effect.tapError((refusal) => Effect.sync(() => this.counters.refuse(refusal.end.reason))),
    );
  }

  private open(request: Begin): Effect.Effect<OpenedStream, StreamRefusal> {
    if (this.origin.fromClient && this.config.allowSingleHop !== true) {
      return Effect.fail(refuseStream(EndReason.TORPROTOCOL));
    }
    // A client that takes IPv6 only, of an exit that has none.
    if (!this.config.ipv6 && (request.flags & BeginFlag.IPV4_NOT_OKAY) !== 0) {
      return Effect.fail(refuseStream(EndReason.EXITPOLICY));
    }
    const { destination, port } = request;
    if (destination.family !== "name") return this.connect(destination, DEFAULT_DNS_TTL, port);
    const policy = this.config.policy();
    if (policy.rejectsAll || isReverseName(destination.address)) {
      return Effect.fail(refuseStream(EndReason.RESOLVEFAILED));
    }
    return this.names.forward(destination.address).pipe(
      Effect.flatMap((answer) => {
        const chosen = chooseAddress(answer, request.flags, ({ address }) => policy.permits(address, port));
        return chosen._tag === "Found"
          ? this.connect(chosen.address, chosen.ttl, port)
          : Effect.fail(refuseStream(EndReason.RESOLVEFAILED));
      }),
    );
  }

  /** Connects to an address that was asked for, or that a name led to. */
  private connect(address: IpAddress, ttl: number, port: number): Effect.Effect<OpenedStream, StreamRefusal> {
    const resolved = { address, ttl };
    if (isNull(address) || !this.config.policy().permits(address.address, port)) {
      return Effect.fail(refuseStream(EndReason.EXITPOLICY, resolved));
    }
    // Not EXITPOLICY: the client would try the next exit, and load the network the more.
    if (this.config.isNetworkAddress?.(address, port) === true) {
      return Effect.fail(refuseStream(EndReason.CONNECTREFUSED));
    }
    const endpoint = { host: address.address, port };
    return this.transport.connect(endpoint, { tls: false }).pipe(
      Effect.timeoutOrElse({
        duration: CONNECT_TIMEOUT,
        orElse: () => Effect.fail(new TransportError({ kind: "timeout", code: "ETIMEDOUT", endpoint })),
      }),
      Effect.map((connection) => ({ connection, connected: { _tag: "CONNECTED" as const, resolved } })),
      Effect.mapError((error) => refuseStream(endReasonOfTransportError(error))),
    );
  }

  resolve({ query }: Resolve): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    return Effect.suspend(() => {
      if (query.family !== "name") {
        return Effect.succeed([{ _tag: "ADDRESS" as const, address: query, ttl: DEFAULT_DNS_TTL }]);
      }
      if (this.config.policy().rejectsAll) return Effect.succeed(NO_SUCH_NAME);
      return isReverseName(query.address) ? this.resolveReverse(query.address) : this.resolveForward(query.address);
    }).pipe(
      Effect.tap((answers) =>
        Effect.sync(() => {
          if (answers[0]?._tag === "ERROR") this.counters.unresolved++;
          else this.counters.resolved++;
        }),
      ),
    );
  }

  private resolveForward(name: string): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    return Effect.map(this.names.forward(name), ({ ipv4, ipv6 }) => {
      const found = [ipv4, ipv6].filter((answer): answer is Found => answer?._tag === "Found");
      // `tor` gives one time to live for both.
      const ttl = found[0]?.ttl ?? ipv4.ttl;
      if (found.length > 0) return found.map(({ address }) => ({ _tag: "ADDRESS" as const, address, ttl }));
      return [{ _tag: "ERROR" as const, transient: ipv4._tag === "Failed" && ipv4.transient, ttl }];
    });
  }

  private resolveReverse(name: string): Effect.Effect<ReadonlyArray<ResolvedAnswer>> {
    const address = addressOfReverseName(name);
    if (address === undefined || !isPublic(address)) return Effect.succeed(NO_SUCH_NAME);
    return Effect.map(this.names.reverse(address), (answer) =>
      answer._tag === "Found"
        ? [{ _tag: "HOSTNAME" as const, name: answer.name, ttl: answer.ttl }]
        : // `tor` calls every failure of this kind permanent.
          [{ _tag: "ERROR" as const, transient: false, ttl: answer.ttl }],
    );
  }
}

type Found = Extract<FamilyAnswer, { readonly _tag: "Found" }>;

const NO_SUCH_NAME: ReadonlyArray<ResolvedAnswer> = [{ _tag: "ERROR", transient: false, ttl: 0 }];

/** Opens the streams of an exit: policy, names, connections, and what lingers after them. */
export const layer = (
  config: ExitConfig,
): Layer.Layer<StreamOpeners | ExitStatus, never, Transport | Resolver | Entropy> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const transport = yield* Transport;
      const names = yield* makeResolverCache({ ...config.bounds, ipv6: config.ipv6 });
      const lingerers = yield* makeLingerers(config.bounds);
      const counters = new OpenerCounters();
      const openers = StreamOpeners.of({
        forCircuit: (origin) => new ExitOpener(config, origin, names, transport, counters, lingerers.add),
      });
      const counts = (): ExitCounts => {
        const { cached, asking } = names.counts();
        return {
          opened: counters.opened,
          directoryOpened: counters.directoryOpened,
          refused: counters.refused,
          resolved: counters.resolved,
          unresolved: counters.unresolved,
          lingering: lingerers.size(),
          lingeringCut: lingerers.cut(),
          cachedNames: cached,
          askedNames: asking,
        };
      };
      return Context.make(StreamOpeners, openers).pipe(Context.add(ExitStatus, ExitStatus.of({ counts })));
    }),
  );
