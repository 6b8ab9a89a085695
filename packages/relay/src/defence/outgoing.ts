import { type Channel, type Connection, type Endpoint, Transport, TransportError } from "@allium/channel";
import { Deferred, Effect, Exit } from "effect";
import { MAX_DIALS } from "./limits.ts";

/** Which bound of the connections that this relay opens was met. */
export type OutgoingBound =
  /** Those that are being opened: the oldest was given up. */
  | "dials"
  /** All: none of them was idle, and no other was opened. */
  | "outgoing";

/** A connection that is being opened, or whose link handshake is under way. */
interface Dial {
  readonly endpoint: Endpoint;
  /** Fails if it is given up before it is connected. */
  readonly givenUp: Deferred.Deferred<never, TransportError>;
  connection: Connection | undefined;
}

/**
 * Bounds the connections that a relay opens. To whom is said by clients, in their EXTENDs: to hosts that do not answer, or to as
 * many relays as they care to make up. When too many are being opened the oldest is given up, since who answers does so soon; when too many are
 * open one that has no circuits makes room, and if there is none, no other is opened.
 */
export class Outgoing {
  private readonly max: () => number;
  private readonly maxDials: number;
  private readonly onBound: (bound: OutgoingBound) => void;
  /** The oldest first. */
  private readonly dials = new Set<Dial>();
  /** Those of them that are connected, by the very object that says to where. */
  private readonly connected = new Map<Endpoint, Dial>();
  /** Channels that were opened, the oldest first. */
  private readonly open = new Set<Channel>();
  private sweepAt = SWEEP_FROM;

  /**
   * @param options.max most connections altogether
   * @param options.onBound told when a bound is met. It must not block.
   */
  constructor(options: {
    readonly max: () => number;
    readonly maxDials?: number;
    readonly onBound: (bound: OutgoingBound) => void;
  }) {
    this.max = options.max;
    this.maxDials = options.maxDials ?? MAX_DIALS;
    this.onBound = options.onBound;
  }

  /** Connections that are being opened, link handshakes among them. */
  get opening(): number {
    this.sweep();
    return this.dials.size;
  }

  /** A transport whose TLS connections to others are bounded. */
  limit(transport: Transport["Service"]): Transport["Service"] {
    const connect: Transport["Service"]["connect"] = (endpoint, options) =>
      Effect.suspend(() => {
        if (this.dials.size >= this.sweepAt || this.dials.size >= this.maxDials) this.sweep();
        if (this.dials.size >= this.maxDials) this.giveUpOldest();
        if (this.open.size + this.dials.size >= this.max() && !this.closeIdle()) {
          this.onBound("outgoing");
          return Effect.fail(new TransportError({ kind: "resourceLimit", code: "TOO_MANY", endpoint }));
        }
        const dial: Dial = { endpoint, givenUp: Deferred.makeUnsafe(), connection: undefined };
        this.dials.add(dial);
        const connecting = transport.connect(endpoint, options).pipe(
          // At once, in the fiber that has it: it may be lost on its way to whoever waits.
          Effect.tap((connection) => Effect.sync(() => this.onConnected(dial, connection))),
        );
        return Effect.raceFirst(connecting, Deferred.await(dial.givenUp)).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit)) return;
              dial.connection?.destroy();
              this.forget(dial);
            }),
          ),
        );
      });
    return Transport.of({
      ...transport,
      connect: (endpoint, options) => (options.tls ? connect : transport.connect)(endpoint, options),
    });
  }

  /** A channel is open. */
  onOpen(channel: Channel): void {
    if (!channel.initiated) return;
    const dial = this.connected.get(channel.remote);
    if (dial !== undefined) this.forget(dial);
    this.open.add(channel);
  }

  /** A channel has ended. */
  onEnd(channel: Channel): void {
    this.open.delete(channel);
  }

  private onConnected(dial: Dial, connection: Connection): void {
    dial.connection = connection;
    this.connected.set(connection.remote, dial);
  }

  private forget(dial: Dial): void {
    this.dials.delete(dial);
    if (dial.connection !== undefined) this.connected.delete(dial.connection.remote);
  }

  /** Forgets those whose handshake came to nothing: nobody tells of that. */
  private sweep(): void {
    for (const dial of this.dials) if (dial.connection?.status === "closed") this.forget(dial);
    this.sweepAt = Math.max(SWEEP_FROM, 2 * this.dials.size);
  }

  private giveUpOldest(): void {
    for (const dial of this.dials) {
      this.onBound("dials");
      const { endpoint, connection, givenUp } = dial;
      this.forget(dial);
      connection?.destroy();
      Deferred.doneUnsafe(givenUp, Effect.fail(new TransportError({ kind: "timeout", code: "GIVEN_UP", endpoint })));
      return;
    }
  }

  private closeIdle(): boolean {
    for (const channel of this.open) {
      if (channel.circuitCount > 0) continue;
      this.open.delete(channel);
      channel.close("idle");
      return true;
    }
    return false;
  }
}

/** With so many being opened it is looked for those that came to nothing. */
const SWEEP_FROM = 32;
