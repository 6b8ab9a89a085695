import { type Begin, type End, parseDestination, type Resolve } from "@allium/cell";
import {
  layerEntropySeeded,
  MemoryNetwork,
  type PeerIdentity,
  Transport,
  TransportError,
  type TransportErrorKind,
} from "@allium/channel";
import {
  type EndingOpener,
  type OpenedStream,
  type StreamOpener,
  StreamOpeners,
  type StreamRefusal,
} from "@allium/circuit";
import { ExitPolicy } from "@allium/netdoc";
import { Effect, Layer, type Scope } from "effect";
import { type ExitOptions, ExitStatus, layerExit, MemoryResolver } from "../../../src/exit/index.ts";

/** Where the exit of these tests is, and a host outside that its streams go to. */
export const EXIT = "198.51.100.1";
export const ORIGIN = "203.0.113.5";
/** Who is behind the near channel. */
export const ASKER = "192.0.2.9";
export const ORIGIN6 = "2001:db8::5";

/** The relay before the exit. */
export const MIDDLE: PeerIdentity = { rsaId: Buffer.alloc(20, 1), ed25519Id: Buffer.alloc(32, 2) };

/** An exit policy as the operator writes it, private networks refused. */
export const policyOf = (...rules: ReadonlyArray<string>): ExitPolicy =>
  ExitPolicy.ofOptions({ rules, ipv6: true, rejectPrivate: true });

/** BEGIN to `host:port`. */
export const begin = (host: string, port: number, flags = 0): Begin => {
  const destination = parseDestination(host);
  if (destination === undefined) throw new Error(`${host} is no destination`);
  return { _tag: "BEGIN", destination, port, flags };
};

/** RESOLVE of a name or an address. */
export const resolve = (text: string): Resolve => {
  const query = parseDestination(text);
  if (query === undefined) throw new Error(`${text} is no query`);
  return { _tag: "RESOLVE", query };
};

/** An exit in a network in memory, with a name server in memory. */
export interface ExitUnderTest {
  readonly network: MemoryNetwork.MemoryNetwork;
  readonly names: MemoryResolver.MemoryResolver;
  /** Of a circuit that comes through another relay. */
  readonly opener: StreamOpener;
  /** Of one more circuit through that relay. */
  readonly circuit: () => EndingOpener;
  /** Of a circuit that comes straight from a client. */
  readonly fromClient: StreamOpener;
  readonly status: ExitStatus["Service"];
}

/** Starts an exit that permits all public addresses unless `options` say otherwise. */
export const startExit = (
  options: Partial<ExitOptions> = {},
  transport?: Layer.Layer<Transport>,
): Effect.Effect<ExitUnderTest, never, Scope.Scope> =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make();
    const names = MemoryResolver.make();
    const policy = policyOf("accept *:*");
    const context = yield* Layer.build(
      layerExit({ policy: () => policy, ipv6: () => true, ...options }).pipe(
        Layer.provide([transport ?? network.host(EXIT), names.layer, layerEntropySeeded("exit")]),
      ),
    );
    return yield* Effect.gen(function* () {
      const openers = yield* StreamOpeners;
      const circuit = () => openers.forCircuit({ address: ASKER, peer: MIDDLE }) as EndingOpener;
      return {
        network,
        names,
        circuit,
        opener: circuit(),
        fromClient: openers.forCircuit({ address: ASKER, peer: undefined }),
        status: yield* ExitStatus,
      };
    }).pipe(Effect.provide(context));
  });

/** Accepts connections at an address of the network; what comes in is kept in the returned list. */
export const listen = (network: MemoryNetwork.MemoryNetwork, host: string, port: number) =>
  Effect.gen(function* () {
    const accepted: Array<Parameters<Parameters<Transport["Service"]["listen"]>[1]["onConnection"]>[0]> = [];
    const transport = yield* Transport;
    yield* transport.listen({ host, port }, { onConnection: (connection) => accepted.push(connection) });
    return accepted;
  }).pipe(Effect.provide(network.host(host)), Effect.orDie);

/** A transport that only fails. */
export const failingTransport = (kind: TransportErrorKind, code: string): Layer.Layer<Transport> =>
  Layer.succeed(
    Transport,
    Transport.of({
      connect: (endpoint) => Effect.fail(new TransportError({ kind, code, endpoint })),
      listen: (endpoint) => Effect.fail(new TransportError({ kind: "other", code: "NONE", endpoint })),
    }),
  );

/** A transport whose connections are never answered, as behind a firewall that drops. */
export const silentTransport: Layer.Layer<Transport> = Layer.succeed(
  Transport,
  Transport.of({
    connect: () => Effect.never,
    listen: (endpoint) => Effect.fail(new TransportError({ kind: "other", code: "NONE", endpoint })),
  }),
);

/** The END that refuses a stream. */
export const refusal = (opening: Effect.Effect<OpenedStream, StreamRefusal>): Effect.Effect<End> =>
  Effect.flip(opening).pipe(
    Effect.map(({ end }) => end),
    Effect.catch((opened) => Effect.die(new Error(`opened to ${opened.connection.remote.host}`))),
  );
