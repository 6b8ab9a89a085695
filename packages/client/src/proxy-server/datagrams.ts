import type { Endpoint, TransportError } from "@allium/channel";
import { Context, type Effect, type Scope } from "effect";

/** A port for datagrams. */
export interface DatagramPort {
  /** The bound address, with the port that the platform chose if 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Sends one. It may be lost, and nobody is told. */
  readonly send: (message: Buffer, to: Endpoint) => void;
}

/** Datagrams of UDP. Layers: `layerNodeDatagrams` (live); tests make their own. */
export class Datagrams extends Context.Service<
  Datagrams,
  {
    /**
     * Receives datagrams until the scope closes.
     *
     * @param onMessage called for each; it must not block
     */
    readonly bind: (
      endpoint: Endpoint,
      onMessage: (message: Buffer, from: Endpoint) => void,
    ) => Effect.Effect<DatagramPort, TransportError, Scope.Scope>;
  }
>()("allium/client/Datagrams") {}
