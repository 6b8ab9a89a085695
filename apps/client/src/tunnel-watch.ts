import { createHook } from "node:async_hooks";
import { type Endpoint, formatEndpoint, Transport } from "@allium/channel";
import { Layer } from "effect";

/** A connection that the platform was asked for. The address is filled in after it was made. */
interface Connecting {
  readonly address?: string;
  readonly port?: number;
}

/** What the platform calls it when a name is looked up, or a datagram sent: nothing here ever asks for either. */
const OUTSIDE: Readonly<Record<string, string>> = {
  GETADDRINFOREQWRAP: "a name was looked up by the system",
  GETNAMEINFOREQWRAP: "an address was looked up by the system",
  QUERYWRAP: "a name server was asked",
  UDPSENDWRAP: "a datagram was sent",
};

/**
 * Watches that nothing of this process leaves but connections of the `Transport`, which lead to relays. It sees each connection and each
 * look-up that the platform is asked for, whoever asks.
 */
export class TunnelWatch {
  private readonly asked = new Set<string>();
  private readonly connecting: Array<Connecting> = [];
  private readonly outside = new Set<string>();
  private readonly hook = createHook({
    init: (_id, type, _trigger, resource) => {
      const what = OUTSIDE[type];
      if (what !== undefined) this.outside.add(what);
      if (type === "TCPCONNECTWRAP") this.connecting.push(resource as Connecting);
    },
  });

  /** Begins. */
  start(): void {
    this.hook.enable();
  }

  /** Ends, and tells what has left outside of the tunnel. */
  stop(): { readonly relays: number; readonly leaks: ReadonlyArray<string> } {
    this.hook.disable();
    const leaks = [...this.outside];
    for (const { address = "", port = 0 } of this.connecting) {
      const endpoint = formatEndpoint({ host: address, port });
      if (!this.asked.has(endpoint)) leaks.push(`a connection to ${endpoint}`);
    }
    return { relays: this.asked.size, leaks };
  }

  /** A transport whose connections are those that may be. */
  readonly layer: Layer.Layer<Transport, never, Transport> = Layer.effect(
    Transport,
    Transport.useSync(({ connect, listen }) =>
      Transport.of({
        connect: (endpoint: Endpoint, options) => {
          this.asked.add(formatEndpoint(endpoint));
          return connect(endpoint, options);
        },
        listen,
      }),
    ),
  );
}
