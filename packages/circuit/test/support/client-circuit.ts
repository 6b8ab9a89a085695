import {
  type Begin,
  type BeginDir,
  ChannelCommand,
  type Connected,
  type End,
  encodeChannelBody,
  parseAddrPort,
  type RelayMessageView,
  type Resolve,
  type Resolved,
  readBackwardMessage,
} from "@allium/cell";
import { type Channel, type Connection, connectionPair, type Entropy } from "@allium/channel";
import { ClientCrypto, splitKeyMaterial } from "@allium/crypto";
import { MemoryQuota, ReactorGroup, Signal } from "@allium/kernel";
import { Clock, Deferred, Effect, Scope } from "effect";
import { beginHandshake, type ClientHop } from "../../../../test/support/client-handshake.ts";
import {
  type AgreedParams,
  agreeAsInitiator,
  CIRCUITS,
  type CircuitContext,
  type CircuitError,
  CircuitProtocolError,
  type CircuitStop,
  congestionParams,
  DEFAULT_CIRCUIT_LIMITS,
  type DirectStreamPath,
  directSingle,
  directSplit,
  type EgressCommand,
  flowParams,
  type HopFlow,
  type IngressHandler,
  makeEgress,
  makeHopFlow,
  makeIngress,
  meaningOf,
  randomPoolOf,
  refuseStream,
  StreamPaths,
  toProtocolError,
} from "../../src/index.ts";
import { specifiersOf, type TestIdentity, targetOf } from "./relay-under-test.ts";

/** A client's circuit, assembled from the same reactors as a relay's: what differs is crypto, handler and opener. */
export interface ClientCircuit {
  readonly group: ReactorGroup<CircuitError, CircuitStop>;
  readonly hops: ReadonlyArray<HopFlow>;
  readonly crypto: ClientCrypto;
  readonly extend: (to: TestIdentity, port?: number) => Effect.Effect<void, CircuitProtocolError>;
  /** Opens a stream at a hop; the connection is the application's end. */
  readonly open: (hop: number, target: string) => Effect.Effect<{ connection: Connection; connected: Connected }, End>;
  readonly openDirectory: (hop: number) => Effect.Effect<{ connection: Connection; connected: Connected }, End>;
  readonly resolve: (hop: number, name: string) => Effect.Effect<Resolved, End>;
  /** Ends a stream from this side. */
  readonly close: (hop: number, streamId: number) => void;
  readonly send: (command: EgressCommand) => Effect.Effect<void>;
  /** The message that came last for the circuit itself. */
  readonly received: Array<string>;
}

/** How the client of a test is varied. */
export interface ClientOptions {
  readonly entropy: Entropy["Service"];
  readonly congestionControl?: boolean;
  readonly split?: boolean;
  readonly maxTrain?: number;
  readonly param?: (name: string) => number | undefined;
  /** Flow control of a hop, once it is agreed. @default makeHopFlow */
  readonly flow?: (agreed: AgreedParams) => HopFlow;
}

/** Creates a one-hop circuit over a channel to the given relay, to be extended. */
export const createClientCircuit = (channel: Channel, guard: TestIdentity, options: ClientOptions) =>
  Effect.gen(function* () {
    const { entropy } = options;
    const param = options.param ?? (() => undefined);
    const params = congestionParams(param, "exit");
    const withCongestionControl = options.congestionControl ?? true;
    const clock = yield* Clock.Clock;
    const group = yield* ReactorGroup.make<CircuitError, CircuitStop>({ name: "client circuit" });
    const ingressSignal = Signal.make();
    const egressSignal = Signal.make();
    const near = yield* Effect.orDie(channel.openCircuit({ inbound: ingressSignal }));
    const crypto = new ClientCrypto();
    const hops: Array<HopFlow> = [];
    const paths = new StreamPaths(egressSignal);
    const tables: Array<DirectStreamPath["table"]> = [];
    const received: Array<string> = [];
    let awaitingExtended: Deferred.Deferred<Buffer, CircuitProtocolError> | undefined;

    const circuit: CircuitContext = {
      name: "client circuit",
      group,
      clock,
      entropy,
      opener: {
        begin: () => Effect.fail(refuseStream(4)),
        beginDirectory: Effect.fail(refuseStream(4)),
        resolve: () => Effect.succeed([]),
        linger: (connection) => connection.end(),
      },
      limits: { ...DEFAULT_CIRCUIT_LIMITS, maxTrain: options.maxTrain ?? DEFAULT_CIRCUIT_LIMITS.maxTrain },
      memory: new MemoryQuota().open(CIRCUITS),
    };

    const link = group.link<EgressCommand>("ingress → egress");
    const config = { role: "client" as const, flowParams: () => flowParams(param) };
    const direct = options.split === true ? directSplit(config) : directSingle(config);

    const addHop = ({ material, sendmeInc }: ClientHop) =>
      Effect.gen(function* () {
        const hop = crypto.addHop(splitKeyMaterial(material));
        const flow = (options.flow ?? makeHopFlow)(agreeAsInitiator(params, withCongestionControl, sendmeInc));
        hops[hop] = flow;
        const path = yield* direct(circuit, hop, flow);
        yield* paths.install(hop, "direct", path);
        tables[hop] = path.table;
      });

    const handler: IngressHandler = {
      dropsWrongStreamIds: false,
      onEarly: () => {
        throw new CircuitProtocolError({ where: "RELAY_EARLY", detail: "towards the client" });
      },
      onUnrecognized: () =>
        Effect.fail(new CircuitProtocolError({ where: "RELAY", detail: "not recognised by any hop" })),
      onFirstStreamMessage: () =>
        Effect.fail(new CircuitProtocolError({ where: "stream", detail: "the hop has no streams" })),
      onMessage: (_hop: number, view: RelayMessageView) =>
        Effect.gen(function* () {
          const message = yield* Effect.try({ try: () => readBackwardMessage(view), catch: toProtocolError });
          received.push(message._tag);
          if (message._tag === "EXTENDED2" && awaitingExtended !== undefined) {
            Deferred.doneUnsafe(awaitingExtended, Effect.succeed(message.handshake));
          }
        }),
    };

    // The circuit's streams and reactors live in its group; CREATE2 first, since the hop's crypto comes from its answer.
    const begin = (to: TestIdentity) => beginHandshake(targetOf(to), entropy.bytes(32), withCongestionControl);

    const first = begin(guard);
    near.sendCell(
      ChannelCommand.CREATE2,
      encodeChannelBody({ _tag: "CREATE2", handshakeType: first.type, handshake: first.request }),
    );
    let control = near.inbox.takeControl();
    while (control === undefined) {
      const end = near.inbox.ended();
      if (end !== undefined) return yield* Effect.die(new Error(`CREATE2 was answered by ${JSON.stringify(end)}`));
      yield* ingressSignal.wait;
      control = near.inbox.takeControl();
    }
    const created = first.finish(control.payload.subarray(2, 2 + control.payload.readUInt16BE(0)));
    yield* Scope.provide(addHop(created), group.scope);
    yield* Scope.addFinalizer(
      group.scope,
      Effect.sync(() => near.destroy(meaningOf(group.cause ?? { _tag: "Stopped", reason: "finished" }).destroyReason)),
    );
    const ingress = makeIngress({ near, signal: ingressSignal, crypto: crypto.inbound, hops, paths, handler });
    const egress = makeEgress({
      near,
      signal: egressSignal,
      crypto: crypto.outbound,
      hops,
      paths,
      clock,
      far: undefined,
      congestion: params,
      padding: randomPoolOf(entropy).fill,
    });
    yield* group.start(egress.wire({ commands: link.reader }));
    yield* group.start(ingress.wire({ commands: link.writer }));

    const request = <A>(
      hop: number,
      message: Begin | BeginDir | Resolve,
      done: (deferred: Deferred.Deferred<A, End>) => {
        readonly onConnected?: (message: Connected) => void;
        readonly onResolved?: (message: Resolved) => void;
        readonly connection?: Connection;
      },
    ): Effect.Effect<A, End> =>
      Effect.suspend(() => {
        const deferred = Deferred.makeUnsafe<A, End>();
        const { onConnected = () => {}, onResolved = () => {}, connection } = done(deferred);
        tables[hop]?.request(message, connection, {
          onConnected,
          onResolved,
          onEnd: (end) => {
            Deferred.doneUnsafe(deferred, Effect.fail(end));
          },
        });
        return Deferred.await(deferred);
      });

    const openStream = (hop: number, message: Begin | BeginDir) =>
      request<{ connection: Connection; connected: Connected }>(hop, message, (deferred) => {
        const [application, stream] = connectionPair();
        return {
          connection: stream,
          onConnected: (connected) => {
            Deferred.doneUnsafe(deferred, Effect.succeed({ connection: application, connected }));
          },
        };
      });

    return {
      group,
      hops,
      crypto,
      received,
      close: (hop, streamId) => tables[hop]?.close(streamId, 1),
      send: (command) => Effect.ignore(link.writer.offer(command)),
      extend: (to, port = 9001) =>
        Effect.gen(function* () {
          const handshake = begin(to);
          const deferred = Deferred.makeUnsafe<Buffer, CircuitProtocolError>();
          awaitingExtended = deferred;
          yield* Effect.orDie(
            link.writer.offer({
              _tag: "Send",
              hop: hops.length - 1,
              early: true,
              message: {
                _tag: "EXTEND2",
                linkSpecifiers: specifiersOf(to, port),
                handshakeType: handshake.type,
                handshake: handshake.request,
              },
            }),
          );
          const hop = handshake.finish(yield* Deferred.await(deferred));
          yield* Effect.orDie(Scope.provide(addHop(hop), group.scope));
        }),
      open: (hop, target) => openStream(hop, { _tag: "BEGIN", ...parseAddrPort(target), flags: 0 }),
      openDirectory: (hop) => openStream(hop, { _tag: "BEGIN_DIR" }),
      resolve: (hop, name) =>
        request<Resolved>(hop, { _tag: "RESOLVE", query: { family: "name", address: name } }, (deferred) => ({
          onResolved: (message) => {
            Deferred.doneUnsafe(deferred, Effect.succeed(message));
          },
        })),
    } satisfies ClientCircuit;
  });
