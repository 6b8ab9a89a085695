import { type Begin, type Connected, type End, parseAddrPort, type Resolved } from "@allium/cell";
import { type Channel, ChannelManager, type Connection, Entropy } from "@allium/channel";
import { Context, Effect, Layer, type Scope } from "effect";
import { OpenClientCircuit } from "../../src/client/open-client-circuit.ts";
import {
  ClientCircuits,
  type ClientCircuitsConfig,
  congestionParams,
  flowParams,
  type HopFailed,
  type HopFlow,
  type HopTarget,
  layerClientCircuits,
  layerSingle,
  layerSplit,
  StreamEnded,
  type StreamFailure,
} from "../../src/index.ts";
import { endpointOf, type TestIdentity, targetOf } from "./relay-under-test.ts";

/** A client's circuit, for tests that name destinations as text and relays by their test's identity. */
export interface ClientCircuit {
  readonly inner: OpenClientCircuit;
  readonly group: OpenClientCircuit["group"];
  readonly hops: ReadonlyArray<HopFlow>;
  readonly extend: (to: TestIdentity, port?: number) => Effect.Effect<void, HopFailed>;
  /** Opens a stream at a hop; the connection is the application's end. */
  readonly open: (hop: number, target: string) => Effect.Effect<{ connection: Connection; connected: Connected }, End>;
  readonly openDirectory: (hop: number) => Effect.Effect<{ connection: Connection; connected: Connected }, End>;
  readonly resolve: (hop: number, name: string) => Effect.Effect<Resolved, End>;
  /** Ends a stream from this side. */
  readonly close: (hop: number, streamId: number) => void;
}

/** How the client of a test is varied. */
export interface ClientOptions extends Pick<ClientCircuitsConfig, "flow"> {
  readonly entropy: Entropy["Service"];
  /** Whether the last hop, or every hop, is asked for congestion control. @default true */
  readonly congestionControl?: boolean;
  readonly split?: boolean;
  readonly maxTrain?: number;
  readonly param?: (name: string) => number | undefined;
}

/** What a client knows of a relay of a test. */
export const hopOf = (identity: TestIdentity, congestionControl = true, port?: number): HopTarget => {
  const { rsaIdentity, ed25519Identity, onionKey } = targetOf(identity);
  const { host } = identity;
  return {
    rsaId: Buffer.from(rsaIdentity),
    ed25519Id: Buffer.from(ed25519Identity),
    onionKey: Buffer.from(onionKey),
    endpoints: [port === undefined ? endpointOf(identity) : { host, port }],
    congestionControl,
  };
};

/** A client whose one channel is `channel`, until the scope closes. */
export const makeClient = (
  channel: Channel,
  options: ClientOptions,
  config: Partial<ClientCircuitsConfig> = {},
): Effect.Effect<ClientCircuits["Service"], never, Scope.Scope> => {
  const param = options.param ?? (() => undefined);
  const flow = { role: "client" as const, flowParams: () => flowParams(param) };
  const circuits = layerClientCircuits({
    congestion: () => congestionParams(param, "exit"),
    ...(options.maxTrain === undefined ? {} : { limits: { maxTrain: options.maxTrain } }),
    ...(options.flow === undefined ? {} : { flow: options.flow }),
    ...config,
  }).pipe(
    Layer.provide(options.split === true ? layerSplit(flow) : layerSingle(flow)),
    Layer.provide(
      Layer.succeed(
        ChannelManager,
        ChannelManager.of({
          get: () => Effect.succeed(channel),
          listen: () => Effect.die(new Error("a client does not listen")),
          acceptCircuits: () => Effect.void,
          channels: () => [channel],
        }),
      ),
    ),
    Layer.provide(Layer.succeed(Entropy, options.entropy)),
  );
  return Effect.map(Layer.build(Layer.fresh(circuits)), (context) => Context.get(context, ClientCircuits));
};

/** Creates a one-hop circuit over a channel to the given relay, to be extended. */
export const createClientCircuit = (
  channel: Channel,
  guard: TestIdentity,
  options: ClientOptions,
): Effect.Effect<ClientCircuit, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* makeClient(channel, options);
    const inner = yield* Effect.orDie(client.create(hopOf(guard, options.congestionControl)));
    return inner instanceof OpenClientCircuit ? forTest(inner, options) : yield* Effect.die(new Error("another class"));
  });

const forTest = (inner: OpenClientCircuit, { congestionControl }: ClientOptions): ClientCircuit => ({
  inner,
  group: inner.group,
  hops: inner.hops,
  close: (hop, streamId) => inner.paths.get(hop)?.streams.close(streamId, 1),
  extend: (to, port) => inner.extend(hopOf(to, congestionControl, port)),
  open: (hop, target) => orEnd(inner.open(beginOf(target), hop)),
  openDirectory: (hop) => orEnd(inner.open({ _tag: "BEGIN_DIR" }, hop)),
  resolve: (hop, name) => orEnd(inner.resolve({ _tag: "RESOLVE", query: { family: "name", address: name } }, hop)),
});

/** A BEGIN to a destination in a text. */
export const beginOf = (target: string): Begin => ({ _tag: "BEGIN", ...parseAddrPort(target), flags: 0 });

/** The END that came, or a defect. */
const orEnd = <A>(effect: Effect.Effect<A, StreamFailure>): Effect.Effect<A, End> =>
  Effect.catch(effect, (error) => (error instanceof StreamEnded ? Effect.fail(error.end) : Effect.die(error)));
