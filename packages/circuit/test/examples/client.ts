import { layerEntropy } from "@allium/channel";
import {
  ClientCircuits,
  congestionParams,
  flowParams,
  type HopTarget,
  layerClientCircuits,
  layerSingle,
} from "@allium/circuit";
import { Effect, Layer } from "effect";

const param = (_name: string): number | undefined => undefined; // the consensus's word; here the defaults

/** Needs a `ChannelManager`: see @allium/channel. */
export const clientCircuits = layerClientCircuits({ congestion: () => congestionParams(param, "exit") }).pipe(
  Layer.provide(layerSingle({ role: "client", flowParams: () => flowParams(param) })),
  Layer.provide(layerEntropy),
);

export const get = (guard: HopTarget, exit: HopTarget) =>
  Effect.gen(function* () {
    const circuit = yield* (yield* ClientCircuits).create(guard);
    yield* circuit.extend({ ...exit, congestionControl: true });
    const destination = { family: "name", address: "example.com" } as const;
    const { connection } = yield* circuit.open({ _tag: "BEGIN", destination, port: 80, flags: 0 });
    connection.write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
    return connection;
  }).pipe(Effect.timeout("60 seconds")); // given up, it leaves nothing behind
