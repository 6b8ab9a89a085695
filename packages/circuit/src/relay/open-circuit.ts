import { DestroyReason } from "@allium/cell";
import type { Channel, ChannelCircuit, ChannelManager, CircuitSignals, Entropy } from "@allium/channel";
import { type RelayCrypto, relayCrypto } from "@allium/crypto";
import { type GroupHost, type LinkWriter, type MemoryAccount, type ReactorGroup, Signal } from "@allium/kernel";
import type { Clock, Effect, Fiber } from "effect";
import type { CircuitContext, CircuitLimits } from "../circuit-context.ts";
import type { CongestionParams, CongestionView } from "../congestion/index.ts";
import { type EgressOptions, makeEgress } from "../egress.ts";
import { type CircuitError, type CircuitStop, errorOfEnd, meaningOf } from "../errors.ts";
import { FarSide } from "../far-side.ts";
import { type HopFlow, makeHopFlow } from "../hop.ts";
import { type IngressHandler, type IngressOptions, makeIngress } from "../ingress.ts";
import type { EgressCommand } from "../messages.ts";
import { randomPoolOf } from "../random-pool.ts";
import { type StreamHandling, StreamPaths } from "../stream-path.ts";
import type { StreamOpener, StreamOpeners } from "../streams/opener.ts";
import type { AskedCircuit, CircuitOwner } from "./asked-circuit.ts";
import type { Ending, EndWatch } from "./end-watch.ts";
import { isEndingOpener } from "./ending-opener.ts";
import type { ExtendPolicy, PreviousHop } from "./extend.ts";
import { type RelayHandlerOptions, relayHandler } from "./handler.ts";
import type { Answered } from "./handshake.ts";
import { type CircuitEnd, type CircuitMemory, memoryOf, oldestOf, type RelayCircuit } from "./relay-circuit.ts";

/** What all circuits of a relay stand on. */
export interface CircuitHome {
  readonly groups: GroupHost;
  readonly clock: Clock.Clock;
  readonly entropy: Entropy["Service"];
  readonly channels: ChannelManager["Service"];
  readonly streams: StreamHandling["Service"];
  readonly openers: StreamOpeners["Service"];
  readonly limits: CircuitLimits;
  readonly endWatch: EndWatch;
  readonly congestion: () => CongestionParams;
  readonly extendPolicy: () => ExtendPolicy;
  /** Runs an effect in a fiber. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
  /** Told of each DROP cell. */
  readonly onDrop: () => void;
  /** A circuit is over, and all is released. */
  readonly onEnd: (circuit: OpenCircuit, end: CircuitEnd) => void;
}

/**
 * A circuit of a relay. There are tens of thousands, nearly all of them idle, so whatever is not needed by a circuit to which
 * nothing has happened yet is made when it first is: the platform's ciphers and digests, flow control, what each of the reactors
 * holds, what streams need.
 */
export class OpenCircuit implements RelayCircuit, CircuitOwner, Ending, IngressOptions, RelayHandlerOptions {
  readonly id: number;
  readonly home: CircuitHome;
  readonly group: ReactorGroup<CircuitError, CircuitStop>;
  readonly near: ChannelCircuit;
  readonly far = new FarSide();
  readonly flow: HopFlow;
  readonly paths: StreamPaths;
  readonly commands: LinkWriter<EgressCommand>;
  /** Milliseconds of the clock. */
  readonly createdAt: number;
  /** What wakes ingress. */
  readonly signal: Signal;
  readonly account: MemoryAccount;
  /** What wakes egress. */
  readonly egressSignal: Signal = Signal.make();
  private readonly keys: RelayCrypto;
  private parts: Parts | undefined = undefined;

  constructor(home: CircuitHome, id: number, asked: AskedCircuit, answered: Answered) {
    this.home = home;
    this.id = id;
    this.near = asked.near;
    this.signal = asked.inbound;
    this.account = asked.memory;
    this.createdAt = home.clock.currentTimeMillisUnsafe();
    this.flow = makeHopFlow(answered.agreed);
    this.keys = relayCrypto(answered.keys);
    this.paths = new StreamPaths(this.egressSignal);
    const group: ReactorGroup<CircuitError, CircuitStop> = home.groups.make(new GroupOptions(this));
    this.group = group;
    asked.owner = this;
    const link = group.link<EgressCommand>("ingress → egress");
    this.commands = link.writer;
    this.near.sendCell(answered.command, answered.payload);
    group.startTurns(makeEgress(new EgressSide(this)).wire({ commands: link.reader }));
    group.startTurns(makeIngress(this).wire({ commands: link.writer }));
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

  memory(): CircuitMemory {
    return memoryOf(this);
  }

  stop(reason: CircuitStop): void {
    this.group.stopUnsafe(reason);
  }

  // What its account of memory asks.

  oldest(): number | undefined {
    return oldestOf(this);
  }

  reclaim(): void {
    // At once, and not only when the reactors have ended: the bytes are wanted now.
    for (const path of this.paths.all) path?.drop();
    this.near.destroy(DestroyReason.RESOURCELIMIT);
    this.far.close(DestroyReason.RESOURCELIMIT);
    this.account.close();
    this.group.stopUnsafe("memory");
  }

  // How it ends.

  onEnd(): void {
    this.home.endWatch.add(this);
  }

  get hasEnded(): boolean {
    return this.group.cause !== undefined;
  }

  force(): void {
    this.forceSide("near", this.near);
    this.forceSide("far", this.far.circuit);
  }

  private forceSide(side: "near" | "far", circuit: ChannelCircuit | undefined): void {
    if (circuit?.inbox.isClosed !== true) return;
    circuit.inbox.clear();
    const end = circuit.inbox.ended();
    if (end !== undefined) this.group.stopUnsafe(errorOfEnd(side, end));
  }

  released(): void {
    const cause: CircuitEnd["cause"] = this.group.cause ?? { _tag: "Stopped", reason: "finished" };
    const { destroyReason } = meaningOf(cause);
    this.near.destroy(destroyReason);
    this.far.close(destroyReason);
    this.account.close();
    const opener = this.parts?.context?.opener;
    if (opener !== undefined && isEndingOpener(opener)) opener.onCircuitEnd();
    this.home.endWatch.remove(this);
    this.home.onEnd(this, { cause });
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

  get circuit(): CircuitContext {
    this.made.context ??= new StreamContext(this);
    return this.made.context;
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

  get farSignals(): CircuitSignals {
    return new FarSignals(this);
  }

  private get made(): Parts {
    this.parts ??= { hops: [this.flow], handler: undefined, context: undefined };
    return this.parts;
  }
}

/** What only circuits have to which something has happened. */
interface Parts {
  readonly hops: ReadonlyArray<HopFlow>;
  handler: IngressHandler | undefined;
  context: CircuitContext | undefined;
}

class GroupOptions {
  private readonly circuit: OpenCircuit;

  constructor(circuit: OpenCircuit) {
    this.circuit = circuit;
  }

  get name(): string {
    return this.circuit.name;
  }

  onRelease(): void {
    this.circuit.released();
  }
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

/** What egress is given. */
class EgressSide implements EgressOptions {
  private readonly circuit: OpenCircuit;

  constructor(circuit: OpenCircuit) {
    this.circuit = circuit;
  }

  get near(): ChannelCircuit {
    return this.circuit.near;
  }

  get signal(): Signal {
    return this.circuit.egressSignal;
  }

  get crypto(): RelayCrypto["outbound"] {
    return this.circuit.outbound;
  }

  get hops(): ReadonlyArray<HopFlow> {
    return this.circuit.hops;
  }

  get paths(): StreamPaths {
    return this.circuit.paths;
  }

  get clock(): Clock.Clock {
    return this.circuit.home.clock;
  }

  get far(): FarSide {
    return this.circuit.far;
  }

  get congestion(): CongestionParams {
    return this.circuit.home.congestion();
  }

  get padding(): EgressOptions["padding"] {
    return randomPoolOf(this.circuit.home.entropy).fill;
  }
}

/** What streams are given. */
class StreamContext implements CircuitContext {
  readonly opener: StreamOpener;
  private readonly owner: OpenCircuit;

  constructor(owner: OpenCircuit) {
    this.owner = owner;
    const channel: Channel = owner.near.channel;
    this.opener = owner.home.openers.forCircuit({ address: channel.remote.host, peer: channel.peer });
  }

  get name(): string {
    return this.owner.name;
  }

  get group(): ReactorGroup<CircuitError, CircuitStop> {
    return this.owner.group;
  }

  get clock(): Clock.Clock {
    return this.owner.home.clock;
  }

  get entropy(): Entropy["Service"] {
    return this.owner.home.entropy;
  }

  get limits(): CircuitLimits {
    return this.owner.home.limits;
  }

  get memory(): MemoryAccount {
    return this.owner.account;
  }
}
