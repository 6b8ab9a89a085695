import type { ChannelManager, CircuitSignals } from "@allium/channel";
import { type RelayCrypto, relayCrypto } from "@allium/crypto";
import type { MemoryAccount, Signal } from "@allium/kernel";
import type { Effect, Fiber } from "effect";
import { CircuitCore, type CircuitEnd } from "../circuit-core.ts";
import type { CircuitOwner } from "../circuit-seat.ts";
import type { LinkableCircuit } from "../conflux.ts";
import type { CongestionView } from "../congestion/index.ts";
import type { CoreHome } from "../core-home.ts";
import { FarSide } from "../far-side.ts";
import { type HopFlow, makeHopFlow } from "../hop.ts";
import type { IngressHandler } from "../ingress.ts";
import type { StreamHandling } from "../stream-path.ts";
import type { StreamOpener, StreamOpeners } from "../streams/opener.ts";
import type { AskedCircuit } from "./asked-circuit.ts";
import { isEndingOpener } from "./ending-opener.ts";
import type { ExtendPolicy, PreviousHop } from "./extend.ts";
import { type RelayHandlerOptions, relayHandler } from "./handler.ts";
import type { Answered } from "./handshake.ts";
import type { RelayCircuit } from "./relay-circuit.ts";

/** What all circuits of a relay stand on. */
export interface CircuitHome extends CoreHome {
  readonly channels: ChannelManager["Service"];
  readonly openers: StreamOpeners["Service"];
  readonly extendPolicy: () => ExtendPolicy;
  /** Runs an effect in a fiber. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
  /** Told of each DROP cell. */
  readonly onDrop: () => void;
  /** A circuit is over, and all is released. */
  readonly onEnd: (circuit: OpenCircuit, end: CircuitEnd) => void;
}

/** A circuit of a relay: one hop, and a far side once it is extended. */
export class OpenCircuit
  extends CircuitCore<CircuitHome>
  implements RelayCircuit, CircuitOwner, LinkableCircuit, RelayHandlerOptions
{
  readonly far = new FarSide();
  readonly flow: HopFlow;
  private readonly keys: RelayCrypto;
  private parts: Parts | undefined = undefined;

  constructor(home: CircuitHome, id: number, asked: AskedCircuit, answered: Answered) {
    super(home, id, asked);
    this.flow = makeHopFlow(answered.agreed);
    this.keys = relayCrypto(answered.keys);
    asked.owner = this;
    this.near.sendCell(answered.command, answered.payload);
  }

  get name(): string {
    return `circuit ${this.id}`;
  }

  // What others are told of it.

  get congestion(): CongestionView {
    return this.flow.view;
  }

  hasStreams(): boolean {
    return this.paths.state(0) !== "empty";
  }

  // What its reactors are given.

  get hops(): ReadonlyArray<HopFlow> {
    return this.made.hops;
  }

  get crypto(): RelayCrypto["inbound"] {
    return this.keys.inbound;
  }

  get outbound(): RelayCrypto["outbound"] {
    return this.keys.outbound;
  }

  get handler(): IngressHandler {
    this.made.handler ??= relayHandler(this);
    return this.made.handler;
  }

  makeOpener(): StreamOpener {
    const { remote, peer } = this.near.channel;
    return this.home.openers.forCircuit({ address: remote.host, peer });
  }

  get policy(): ExtendPolicy {
    return this.home.extendPolicy();
  }

  get previous(): PreviousHop {
    return this.near.channel.peer;
  }

  get channels(): ChannelManager["Service"] {
    return this.home.channels;
  }

  get streams(): StreamHandling["Service"] {
    return this.home.streams;
  }

  get fork(): CircuitHome["fork"] {
    return this.home.fork;
  }

  get onDrop(): CircuitHome["onDrop"] {
    return this.home.onDrop;
  }

  get isExtended(): boolean {
    return this.far.state !== "none";
  }

  get onConflux(): RelayHandlerOptions["onConflux"] {
    const { conflux } = this.home;
    return conflux === undefined ? undefined : (message) => conflux.onMessage(this, 0, message);
  }

  get farSignals(): CircuitSignals {
    return new FarSignals(this);
  }

  private get made(): Parts {
    this.parts ??= { hops: [this.flow], handler: undefined };
    return this.parts;
  }

  protected onReleased(end: CircuitEnd): void {
    const opener = this.usedContext?.opener;
    if (opener !== undefined && isEndingOpener(opener)) opener.onCircuitEnd();
    this.home.onEnd(this, end);
  }
}

/** What only circuits have to which something has happened. */
interface Parts {
  readonly hops: ReadonlyArray<HopFlow>;
  handler: IngressHandler | undefined;
}

/** What wakes egress, and is told of the end, on the far channel. */
class FarSignals implements CircuitSignals {
  private readonly circuit: OpenCircuit;

  constructor(circuit: OpenCircuit) {
    this.circuit = circuit;
  }

  get inbound(): Signal {
    return this.circuit.egressSignal;
  }

  get memory(): MemoryAccount {
    return this.circuit.account;
  }

  onEnd(): void {
    this.circuit.onEnd();
  }
}
