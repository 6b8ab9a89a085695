import { DestroyReason } from "@allium/cell";
import type { ChannelCircuit, Entropy } from "@allium/channel";
import type { InboundCrypto, OutboundCrypto } from "@allium/crypto";
import {
  type GroupCause,
  type LinkWriter,
  type MemoryAccount,
  type MemoryHolder,
  type ReactorGroup,
  Signal,
} from "@allium/kernel";
import type { Clock } from "effect";
import type { CircuitContext, CircuitLimits } from "./circuit-context.ts";
import { type CircuitMemory, memoryOf, oldestOf } from "./circuit-memory.ts";
import type { CircuitSeat } from "./circuit-seat.ts";
import type { CongestionParams } from "./congestion/index.ts";
import type { CoreHome } from "./core-home.ts";
import { type EgressOptions, makeEgress } from "./egress.ts";
import type { Ending } from "./end-watch.ts";
import { type CircuitError, type CircuitStop, errorOfEnd, meaningOf } from "./errors.ts";
import type { FarSide } from "./far-side.ts";
import type { HopFlow } from "./hop.ts";
import { type IngressHandler, type IngressOptions, makeIngress } from "./ingress.ts";
import type { EgressCommand } from "./messages.ts";
import { randomPoolOf } from "./random-pool.ts";
import { StreamPaths } from "./stream-path.ts";
import type { StreamOpener } from "./streams/opener.ts";

/** Why a circuit ended. */
export interface CircuitEnd {
  /** The first thing that happened; see `meaningOf` for what it means for others. */
  readonly cause: GroupCause<CircuitError, CircuitStop>;
}

/**
 * What a circuit is on either side: two reactors of one fate, their link, its stream paths, its account of memory, and how it
 * ends. What differs is the crypto, the hops, the handler, and whether there is a far side.
 *
 * A relay has tens of thousands of these, nearly all of them idle, so whatever is not needed by a circuit to which nothing has
 * happened yet is made when it first is.
 */
export abstract class CircuitCore<Home extends CoreHome = CoreHome> implements MemoryHolder, Ending, IngressOptions {
  readonly home: Home;
  readonly id: number;
  readonly near: ChannelCircuit;
  /** Milliseconds of the clock. */
  readonly createdAt: number;
  readonly account: MemoryAccount;
  /** What wakes ingress. */
  readonly signal: Signal;
  /** What wakes egress. */
  readonly egressSignal: Signal = Signal.make();
  readonly paths: StreamPaths;
  readonly group: ReactorGroup<CircuitError, CircuitStop>;
  /** To egress. */
  readonly commands: LinkWriter<EgressCommand>;

  abstract readonly name: string;
  abstract readonly hops: ReadonlyArray<HopFlow>;
  abstract readonly crypto: InboundCrypto;
  abstract readonly outbound: OutboundCrypto;
  abstract readonly handler: IngressHandler;
  /** A relay's far side; a client has none. */
  abstract readonly far: FarSide | undefined;
  /** Opens what incoming streams ask for. Made with the first stream. */
  abstract makeOpener(): StreamOpener;
  /** All of the circuit is released. */
  protected abstract onReleased(end: CircuitEnd): void;

  private streamContext: StreamContext | undefined = undefined;

  constructor(home: Home, id: number, seat: CircuitSeat) {
    this.home = home;
    this.id = id;
    this.near = seat.near;
    this.signal = seat.inbound;
    this.account = seat.memory;
    this.createdAt = home.clock.currentTimeMillisUnsafe();
    this.paths = new StreamPaths(this.egressSignal);
    this.group = home.groups.make(new GroupOptions(this));
    const link = this.group.link<EgressCommand>("ingress → egress");
    this.commands = link.writer;
    // Their first turns come when all of the circuit is made.
    this.group.startTurns(makeEgress(new EgressSide(this)).wire({ commands: link.reader }));
    this.group.startTurns(makeIngress(this).wire({ commands: link.writer }));
  }

  // What others are told of it.

  memory(): CircuitMemory {
    return memoryOf(this);
  }

  stop(reason: CircuitStop): void {
    this.group.stopUnsafe(reason);
  }

  /** What its streams are given. */
  get circuit(): StreamContext {
    this.streamContext ??= new StreamContext(this);
    return this.streamContext;
  }

  /** The same, if there ever was a stream. */
  protected get usedContext(): CircuitContext | undefined {
    return this.streamContext;
  }

  // What its account of memory asks.

  oldest(): number | undefined {
    return oldestOf(this);
  }

  reclaim(): void {
    // At once, and not only when the reactors have ended: the bytes are wanted now.
    for (const path of this.paths.all) path?.drop();
    this.leave(DestroyReason.RESOURCELIMIT);
    this.account.close();
    this.group.stopUnsafe("memory");
  }

  // How it ends.

  /** Takes the circuit off its channels, and tells their peers. */
  protected leave(reason: number): void {
    this.near.destroy(reason);
    this.far?.close(reason);
  }

  /** Nothing more comes from one of its channels. */
  onEnd(): void {
    this.home.endWatch.add(this);
  }

  get hasEnded(): boolean {
    return this.group.cause !== undefined;
  }

  force(): void {
    this.forceSide("near", this.near);
    this.forceSide("far", this.far?.circuit);
  }

  private forceSide(side: "near" | "far", circuit: ChannelCircuit | undefined): void {
    if (circuit?.inbox.isClosed !== true) return;
    circuit.inbox.clear();
    const end = circuit.inbox.ended();
    if (end !== undefined) this.group.stopUnsafe(errorOfEnd(side, end));
  }

  /** The reactors have ended, and what the group's scope held is released. */
  released(): void {
    const cause: CircuitEnd["cause"] = this.group.cause ?? { _tag: "Stopped", reason: "finished" };
    const { destroyReason } = meaningOf(cause);
    this.leave(destroyReason);
    this.account.close();
    this.home.endWatch.remove(this);
    this.onReleased({ cause });
  }
}

class GroupOptions {
  private readonly circuit: CircuitCore;

  constructor(circuit: CircuitCore) {
    this.circuit = circuit;
  }

  get name(): string {
    return this.circuit.name;
  }

  onRelease(): void {
    this.circuit.released();
  }
}

/** What egress is given. */
class EgressSide implements EgressOptions {
  private readonly circuit: CircuitCore;

  constructor(circuit: CircuitCore) {
    this.circuit = circuit;
  }

  get near(): ChannelCircuit {
    return this.circuit.near;
  }

  get signal(): Signal {
    return this.circuit.egressSignal;
  }

  get crypto(): OutboundCrypto {
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

  get far(): FarSide | undefined {
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
  private readonly owner: CircuitCore;

  constructor(owner: CircuitCore) {
    this.owner = owner;
    this.opener = owner.makeOpener();
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
