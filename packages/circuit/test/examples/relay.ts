import { type Connection, connectionPair, layerEntropy } from "@allium/channel";
import {
  congestionParams,
  flowParams,
  layerRelayCircuits,
  layerSingle,
  RelayCircuits,
  refuseStream,
  StreamOpeners,
} from "@allium/circuit";
import type { HandshakeServerKeys } from "@allium/crypto";
import { Effect, Layer } from "effect";

const param = (_name: string): number | undefined => undefined; // the consensus's word; here the defaults

/** Every BEGIN leads to `serve`, and none to the network. */
const openers = (serve: (connection: Connection) => void) =>
  Layer.succeed(StreamOpeners, {
    forCircuit: ({ peer }) => ({
      begin: () =>
        Effect.suspend(() => {
          if (peer === undefined) return Effect.fail(refuseStream(1)); // no single-hop exits
          const [stream, application] = connectionPair();
          serve(application);
          return Effect.succeed({ connection: stream, connected: { _tag: "CONNECTED" as const, resolved: undefined } });
        }),
      beginDirectory: Effect.fail(refuseStream(14)),
      resolve: () => Effect.succeed([]),
      linger: (connection) => connection.end(),
    }),
  });

/** Needs a `ChannelManager`: see @allium/channel. */
export const relayCircuits = (
  keys: HandshakeServerKeys & { readonly rsaIdentity: Buffer; readonly ed25519Identity: Buffer },
  serve: (connection: Connection) => void,
) =>
  layerRelayCircuits({
    keys: () => keys,
    congestion: () => congestionParams(param, "exit"),
    extendPolicy: () => ({
      self: { rsaId: keys.rsaIdentity, ed25519Id: keys.ed25519Identity },
      addressAllowed: () => true,
    }),
  }).pipe(
    Layer.provide(layerSingle({ role: "exit", flowParams: () => flowParams(param) })), // or layerSplit
    Layer.provide(openers(serve)),
    Layer.provide(layerEntropy),
  );

/** What waits in each circuit. */
export const waiting = Effect.map(RelayCircuits, ({ circuits }) =>
  circuits().map((circuit) => `${circuit.name}: far side ${circuit.far.state}, ${circuit.memory().total} bytes wait`),
);
