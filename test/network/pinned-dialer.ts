import type { Socket } from "node:net";
import type { TorControl } from "./control.ts";
import type { ControlEvent } from "./control-protocol.ts";
import type { EventStream } from "./event-stream.ts";
import { socksConnect } from "./socks.ts";
import type { TorNode } from "./tor-node.ts";

/** Which circuit a stream is to use, and where it leaves it: 1 is the first hop, no number the last. */
export interface PinnedTarget {
  readonly circuitId: string;
  readonly hop?: number;
}

/** The END reasons of tor-spec section 6.3 by number, as control-spec section 4.1.2 spells them. */
const END_REASONS: ReadonlyArray<string> = [
  "",
  "MISC",
  "RESOLVEFAILED",
  "CONNECTREFUSED",
  "EXITPOLICY",
  "DESTROY",
  "DONE",
  "TIMEOUT",
  "NOROUTE",
  "HIBERNATING",
  "INTERNAL",
  "RESOURCELIMIT",
  "CONNRESET",
  "TORPROTOCOL",
  "NOTDIRECTORY",
];
const MISC = 1;

/** After 10 s a client would take an exit's answer for lost, and look for another circuit, which there is not. */
const STREAM_SECONDS = 60;

/**
 * Opens streams of a client on circuits of our choice. As long as it lives the client attaches no stream by itself
 * (`__LeaveStreamsUnattached`), so use it on a client that nothing else uses.
 *
 * @example
 * await using dialer = await PinnedDialer.open(client);
 * const circuit = await client.control.buildCircuit([guard.fingerprint, middle.fingerprint, exit.fingerprint]);
 * const socket = await dialer.connect({ circuitId: circuit }, origin.host, origin.port);
 */
export class PinnedDialer implements AsyncDisposable {
  private readonly client: TorNode;
  private readonly control: TorControl;
  private readonly events: EventStream<ControlEvent>;
  private readonly targets = new Map<number, PinnedTarget>();
  private readonly attaching: Promise<void>;

  private constructor(client: TorNode, events: EventStream<ControlEvent>) {
    this.client = client;
    this.control = client.control;
    this.events = events;
    this.attaching = this.attachStreams();
  }

  static async open(client: TorNode): Promise<PinnedDialer> {
    const events = await client.control.events("STREAM");
    await client.control.setConf({ __LeaveStreamsUnattached: 1, CircuitStreamTimeout: STREAM_SECONDS });
    return new PinnedDialer(client, events);
  }

  /**
   * Connects to `host:port` over the given circuit; see `socksConnect` for the errors. A circuit that is gone shows as a
   * SocksError.
   */
  async connect(target: PinnedTarget, host: string, port: number, timeoutMs = 60_000): Promise<Socket> {
    let localPort = 0;
    try {
      return await socksConnect(
        {
          port: this.client.socksPort,
          timeoutMs,
          onConnection: (own) => {
            localPort = own;
            this.targets.set(own, target);
          },
        },
        host,
        port,
      );
    } finally {
      this.targets.delete(localPort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.events.end();
    await this.attaching;
    await this.control.setConf({ __LeaveStreamsUnattached: 0, CircuitStreamTimeout: undefined });
  }

  private async attachStreams(): Promise<void> {
    for await (const event of this.events) {
      const [streamId = "", status] = event.words;
      if (status === "NEW" || status === "NEWRESOLVE") {
        const target = this.targets.get(Number(event.fields["SOURCE_ADDR"]?.split(":").at(-1)));
        const attached =
          target === undefined
            ? Promise.reject(new TypeError("not ours"))
            : this.control.attachStream(streamId, target.circuitId, target.hop);
        await attached.catch(() => this.abandon(streamId, MISC));
      } else if (status === "DETACHED") {
        // The exit ended it, and tor would try another circuit: there is none. The application gets the exit's reason.
        const reason = END_REASONS.indexOf(event.fields["REMOTE_REASON"] ?? event.fields["REASON"] ?? "");
        await this.abandon(streamId, Math.max(reason, MISC));
      }
    }
  }

  private async abandon(streamId: string, reason: number): Promise<void> {
    // It may have ended meanwhile.
    await this.control.closeStream(streamId, reason).catch(() => {});
  }
}

/** Waits for a STREAM event that `wanted` accepts. @throws WaitTimeoutError */
export const waitForStream = async (
  events: EventStream<ControlEvent>,
  wanted: (event: ControlEvent) => boolean,
  timeoutMs = 30_000,
): Promise<ControlEvent> =>
  await events.until((event) => (wanted(event) ? event : undefined), timeoutMs, "a STREAM event");
