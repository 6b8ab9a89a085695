import { type LinkSpecifier, parseIp } from "@allium/cell";
import {
  type ChannelManager,
  DEFAULT_PADDING_PARAMS,
  Entropy,
  type LinkIdentity,
  layerChannelManager,
  layerEntropySeeded,
  ChannelManager as Manager,
  type MemoryNetwork,
} from "@allium/channel";
import {
  generateLinkKey,
  generateRsaIdentity,
  type HandshakeServerKeys,
  type HandshakeTarget,
  rsaIdentityDigest,
  X25519KeyPair,
} from "@allium/crypto";
import { Memory, MemoryQuota } from "@allium/kernel";
import { Context, Effect, Layer } from "effect";
import { makeIdentityParts } from "../../../../test/support/link-identity.ts";
import {
  type CircuitLimits,
  type Conflux,
  congestionParams,
  type ExtendPolicy,
  flowParams,
  type HandshakeService,
  Handshakes,
  handshakesInline,
  layerRelayCircuits,
  layerSingle,
  layerSplit,
  RelayCircuits,
  type RelayCircuitsConfig,
  type StreamHandling,
  type StreamOpeners,
} from "../../src/index.ts";

/** RSA keys take long to make, and no test depends on which they are. */
const rsaKeys = Promise.all([generateRsaIdentity(), generateRsaIdentity(), generateRsaIdentity(), generateLinkKey()]);

/** Who a relay of a test is. */
export interface TestIdentity {
  readonly host: string;
  readonly link: LinkIdentity;
  readonly server: HandshakeServerKeys;
}

/** Makes the identity of the relay at `host`; `index` picks its RSA key. */
export const makeTestIdentity = (host: string, index: number, now: number) =>
  Effect.gen(function* () {
    const keys = yield* Effect.promise(() => rsaKeys);
    const entropy = yield* Entropy;
    const { rsa, master, link } = makeIdentityParts(
      { rsa: keys[index] ?? keys[0], tlsKey: keys[3] },
      now,
      entropy.bytes,
    );
    const server: HandshakeServerKeys = {
      rsaIdentity: rsaIdentityDigest(rsa.publicKey),
      ed25519Identity: master.publicKey,
      onionKeys: [X25519KeyPair.fromSecret(entropy.bytes(32))],
    };
    return { host, link, server } satisfies TestIdentity;
  });

/** How the relay of a test is varied. */
export interface TestRelayOptions {
  readonly limits?: Partial<CircuitLimits>;
  readonly split?: boolean;
  /** Links circuits. @default nobody does */
  readonly conflux?: Layer.Layer<Conflux, never, StreamHandling | Entropy>;
  readonly param?: (name: string) => number | undefined;
  readonly onEnd?: RelayCircuitsConfig["onEnd"];
  readonly maxTrain?: number;
  readonly inboxLimitBytes?: number;
  /** Bytes that may wait in each relay, before the circuits that hold the oldest are ended. */
  readonly memoryLimit?: number;
  readonly addressAllowed?: (host: string) => boolean;
  /** Who answers CREATEs. @default handshakesInline */
  readonly handshakes?: HandshakeService;
  /** When CREATEs that wait are dropped, and which are looked at. */
  readonly create?: Pick<RelayCircuitsConfig, "handshakes" | "admit" | "onRefused" | "maxCircuits">;
}

/** A running relay of a test. */
export interface TestRelay {
  readonly identity: TestIdentity;
  readonly channels: ChannelManager["Service"];
  readonly circuits: RelayCircuits["Service"];
  readonly memory: MemoryQuota;
}

const PORT = 9001;

/** Where a relay of a test listens. */
export const endpointOf = (identity: TestIdentity) => ({ host: identity.host, port: PORT });

/** What a client knows of it for a handshake. */
export const targetOf = ({ server }: TestIdentity): HandshakeTarget => ({
  rsaIdentity: server.rsaIdentity,
  ed25519Identity: server.ed25519Identity,
  onionKey: server.onionKeys[0]?.publicKey ?? Buffer.alloc(0),
});

/** How an EXTEND2 names it: by address, RSA and Ed25519 identity. */
export const specifiersOf = (
  { host, server }: TestIdentity,
  port = PORT,
): readonly [LinkSpecifier, LinkSpecifier, LinkSpecifier] => [
  { _tag: "TLS_TCP", address: parseIp(host) ?? { family: 4, address: host }, port },
  { _tag: "RSA_ID", id: server.rsaIdentity as Buffer },
  { _tag: "ED25519_ID", id: server.ed25519Identity as Buffer },
];

/** Starts a relay on a memory network, until the scope closes. */
export const startRelay = (
  network: MemoryNetwork.MemoryNetwork,
  identity: TestIdentity,
  openers: Layer.Layer<StreamOpeners>,
  options: TestRelayOptions = {},
) =>
  Effect.gen(function* () {
    const param = options.param ?? (() => undefined);
    const extendPolicy: ExtendPolicy = {
      self: { rsaId: identity.server.rsaIdentity as Buffer, ed25519Id: identity.server.ed25519Identity as Buffer },
      addressAllowed: options.addressAllowed ?? (() => true),
    };
    const flow = { role: "exit" as const, flowParams: () => flowParams(param) };
    const circuits = layerRelayCircuits({
      keys: () => identity.server,
      congestion: () => congestionParams(param, "exit"),
      extendPolicy: () => extendPolicy,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.onEnd === undefined ? {} : { onEnd: options.onEnd }),
      ...options.create,
    }).pipe(
      Layer.provide(options.conflux ?? Layer.empty),
      Layer.provide(options.split === true ? layerSplit(flow) : layerSingle(flow)),
      Layer.provide(openers),
      Layer.provideMerge(
        layerChannelManager({
          local: () => ({ identity: identity.link, addresses: [identity.host] }),
          padding: () => DEFAULT_PADDING_PARAMS,
          idleTimeoutMillis: () => 3_600_000,
          ...(options.maxTrain === undefined ? {} : { maxTrain: options.maxTrain }),
          ...(options.inboxLimitBytes === undefined ? {} : { inboxLimitBytes: () => options.inboxLimitBytes ?? 0 }),
        }),
      ),
      Layer.provide(network.host(identity.host)),
      Layer.provide(layerEntropySeeded(`relay ${identity.host}`)),
    );
    const memory = new MemoryQuota(options.memoryLimit === undefined ? {} : { limit: options.memoryLimit });
    yield* Effect.forkScoped(Memory.keepWithin(memory, () => {}));
    const context = yield* Layer.build(Layer.fresh(circuits)).pipe(
      Effect.provideService(Memory.Quota, memory),
      Effect.provideService(Handshakes, options.handshakes ?? handshakesInline),
    );
    const channels = Context.get(context, Manager);
    yield* channels.listen(endpointOf(identity));
    return { identity, channels, circuits: Context.get(context, RelayCircuits), memory } satisfies TestRelay;
  });
