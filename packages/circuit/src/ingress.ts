import {
  CellError,
  ChannelCommand,
  isConfluxCommand,
  type RelayCellReader,
  RelayCommand,
  type RelayMessageView,
  relayCellV0,
} from "@allium/cell";
import type { ChannelCircuit, Train } from "@allium/channel";
import type { InboundCrypto } from "@allium/crypto";
import { type LinkWriter, Reactor, type ReactorError, type Signal, type Turn } from "@allium/kernel";
import { Effect } from "effect";
import { type CircuitError, CircuitProtocolError, errorOfEnd, toProtocolError } from "./errors.ts";
import type { HopFlow } from "./hop.ts";
import type { EgressCommand, StreamTrain } from "./messages.ts";
import type { StreamPaths } from "./stream-path.ts";
import { withItem } from "./with-item.ts";

/** What ingress fails with. */
export type IngressError = ReactorError<CircuitError>;

/**
 * What differs between a relay and a client in what ingress does. The reactor decrypts, counts and sorts; the handler says
 * what a message of the circuit means, and what becomes of cells that are not for us.
 */
export interface IngressHandler {
  /** Whether messages with a stream ID that they cannot have are dropped, instead of being a violation. */
  readonly dropsWrongStreamIds: boolean;
  /** RELAY_EARLY cells came in. @throws CircuitProtocolError if they may not */
  onEarly(count: number): void;
  /**
   * A run of plain cells that no hop known here has recognised. Called on the hot path: it returns an effect only if there is
   * something to wait for, or to fail with.
   */
  onUnrecognized(
    plain: Buffer,
    from: number,
    to: number,
    command: number,
  ): Effect.Effect<void, IngressError> | undefined;
  /** A message of the circuit itself, other than SENDME, with the command of the cell that carried it. */
  onMessage(hop: number, view: RelayMessageView, command: number): Effect.Effect<void, IngressError>;
  /**
   * A stream message came for a hop without a stream path. May install one; if it does not, the message is dropped.
   * @throws CircuitProtocolError
   */
  onFirstStreamMessage(hop: number, command: number): Effect.Effect<void, IngressError>;
}

/** What ingress owns, and what it is given. */
export interface IngressOptions {
  /** Read by ingress only. */
  readonly near: ChannelCircuit;
  /** Woken by the near inbox. */
  readonly signal: Signal;
  /** Owned by ingress. */
  readonly crypto: InboundCrypto;
  /** Flow control by hop; ingress owns the receiving half. */
  readonly hops: ReadonlyArray<HopFlow>;
  readonly paths: StreamPaths;
  readonly handler: IngressHandler;
}

// Where a cell from the near channel goes:
//
// | cell | to | why |
// | --- | --- | --- |
// | not recognised | handler | relay: the far channel; client: nobody, a violation |
// | SENDME of the circuit | egress | it owns the congestion window |
// | CONFLUX_* of a leg | stream path | they say what the cells behind them are |
// | other messages of the circuit | handler | roles differ |
// | DATA | stream path, and an acknowledgement to egress when one is due | |
// | other messages of a stream | stream path | |

/**
 * The ingress reactor: takes trains from the near channel, decrypts each in one call per layer, and hands runs of cells on.
 * Client and relay share it.
 */
export const makeIngress = Reactor.turns({
  name: "ingress",
  reads: {},
  writes: { commands: Reactor.port<EgressCommand>() },
  signal: (options: IngressOptions) => options.signal,
  turn: (options, { commands }) => ingressTurn(options, commands),
});

const ingressTurn = (options: IngressOptions, commands: LinkWriter<EgressCommand>): Turn<IngressError> => {
  const { inbox } = options.near;
  const sorter = new Sorter(options, commands);
  let sorted = 0;
  return () => {
    for (;;) {
      const wait = sorter.sort();
      if (wait === FULL) return undefined;
      if (wait !== undefined) return wait;
      if (sorted >= TURN_CELLS) {
        // A circuit whose cells make nobody wait must not keep the process to itself.
        sorted = 0;
        return Effect.yieldNow;
      }
      const train = inbox.take();
      if (train === undefined) break;
      sorted += train.count;
      const refusal = sorter.begin(train);
      if (refusal !== undefined) return refusal;
    }
    sorted = 0;
    sorter.rest();
    const end = inbox.ended();
    return end === undefined ? undefined : Effect.fail(errorOfEnd("near", end));
  };
};

/** What has to happen before sorting goes on; `undefined` if it can at once. */
type Wait = Effect.Effect<void, IngressError> | undefined;

/** A link is full: sorting goes on in the turn that begins when it has room. */
const FULL = "full";

/**
 * Sorts the cells of trains into runs that go the same way. A state machine: `sort` goes as far as it can without waiting, and returns what
 * to wait for before it is called again.
 */
class Sorter {
  private readonly options: IngressOptions;
  private readonly commands: LinkWriter<EgressCommand>;
  private readers: ReadonlyArray<RelayCellReader | undefined> = [];
  private plain: Buffer = NO_BYTES;
  private command = 0;
  private count = 0;
  /** The next cell to sort, and the hop it came from if that was asked already: it can be asked once. */
  private index = 0;
  private origin = NOT_ASKED;
  /** The run being collected: cells from `from` on that go to the streams of `hop`, or nowhere known (-1). */
  private from = 0;
  private hop = NO_RUN;
  /** What egress is to be told when the run is handed on. */
  private readonly due: Array<EgressCommand> = [];
  /** A run that waits for its inlet to have room. */
  private run: StreamTrain | undefined;
  /** The cell before `index` is a message of the circuit, whose turn comes when all before it is done. */
  private message = false;

  constructor(options: IngressOptions, commands: LinkWriter<EgressCommand>) {
    this.options = options;
    this.commands = commands;
  }

  /** Begins the next train; the one before is sorted. */
  begin(train: Train): Wait {
    const { crypto, handler } = this.options;
    this.command = train.command;
    this.count = train.count;
    this.index = 0;
    this.from = 0;
    this.hop = NO_RUN;
    if (train.command === ChannelCommand.RELAY_EARLY) {
      try {
        handler.onEarly(train.count);
      } catch (cause) {
        return Effect.fail(toProtocolError(cause));
      }
    }
    this.plain = crypto.decrypt(train.slab, train.count);
    return undefined;
  }

  /** Goes on with the train. `undefined` when all of it is sorted. */
  sort(): Wait | typeof FULL {
    for (;;) {
      if (!this.handOn()) return FULL;
      const isMessage = this.message;
      this.message = false;
      if (!isMessage && this.index === this.count && this.from === this.count) return undefined;
      const wait = isMessage ? this.onCircuitMessage(this.hop) : this.collect();
      if (wait !== undefined) return wait;
    }
  }

  /** Goes on until a run is complete, or something has to happen. */
  private collect(): Wait {
    while (this.index < this.count) {
      const { index } = this;
      const origin = this.origin === NOT_ASKED ? this.options.crypto.origin(this.plain, index) : this.origin;
      if (origin !== this.hop && this.hop !== NO_RUN && this.from < index) {
        this.origin = origin;
        return this.flush(index);
      }
      this.hop = origin;
      this.origin = NOT_ASKED;
      this.index = index + 1;
      if (origin < 0) continue;
      const kind = this.look(index, origin);
      if (kind === STREAM) continue;
      if (kind === ACKNOWLEDGE) {
        this.due.push({ _tag: "Acknowledge", hop: origin, tag: this.options.crypto.tag() });
        continue;
      }
      if (kind !== CIRCUIT && kind !== DROPPED) return Effect.fail(kind);
      // Neither is of a run: it ends before this cell.
      this.message = kind === CIRCUIT;
      const wait = this.flush(index);
      this.from = index + 1;
      return wait;
    }
    return this.flush(this.count);
  }

  /** Gives streams and egress what is for them. False if a link has no room, which will wake us. */
  private handOn(): boolean {
    const { run, due, commands } = this;
    const { signal, paths, hops } = this.options;
    if (run !== undefined) {
      const inlet = paths.get(run.hop)?.inlet;
      if (inlet?.waitsForRoom(signal) === true) return false;
      this.run = undefined;
      inlet?.offerUnsafe(run);
    }
    for (let command = due[0]; command !== undefined; command = due[0]) {
      if (commands.waitsForRoom(signal)) return false;
      due.shift();
      commands.offerUnsafe(command);
      if (command._tag === "Acknowledge") hops[command.hop]?.receiving.onSendmeSent();
    }
    return true;
  }

  /** Lets go of the last train: a circuit that is idle holds no slab. */
  rest(): void {
    this.plain = NO_BYTES;
    for (const reader of this.readers) reader?.reset(NO_BYTES, 0);
  }

  private reader(hop: number): RelayCellReader {
    const known = this.readers[hop];
    if (known !== undefined) return known;
    const reader = relayCellV0.makeReader();
    this.readers = withItem(this.readers, hop, reader);
    return reader;
  }

  /** Reads the header of a recognised cell, and counts it if it is DATA. */
  private look(index: number, hop: number) {
    const reader = this.reader(hop);
    try {
      reader.reset(this.plain, index);
      if (!reader.next()) return STREAM;
      if (reader.command === RelayCommand.DATA) {
        return this.options.hops[hop]?.receiving.onCellReceived() === true ? ACKNOWLEDGE : STREAM;
      }
      if (reader.streamId !== 0) return STREAM;
      return isConfluxCommand(reader.command) && this.isLeg(hop) ? STREAM : CIRCUIT;
    } catch (cause) {
      if (this.options.handler.dropsWrongStreamIds && cause instanceof CellError && cause.problem === "stream-id") {
        return DROPPED;
      }
      return toProtocolError(cause);
    }
  }

  /** Whether the hop's streams may have other legs: then what says how keeps its place among what comes for them. */
  private isLeg(hop: number): boolean {
    return this.options.paths.state(hop) === "conflux";
  }

  /** The cell that the hop's reader stands at is a message of the circuit, and all that came before it is handed on. */
  private onCircuitMessage(hop: number): Wait {
    const reader = this.reader(hop);
    if (reader.command !== RelayCommand.SENDME) return this.options.handler.onMessage(hop, reader, this.command);
    try {
      this.due.push({ _tag: "Acknowledged", hop, ...readCircuitSendme(reader) });
      return undefined;
    } catch (cause) {
      return Effect.fail(toProtocolError(cause));
    }
  }

  /** The run ends before the cell at `to`. */
  private flush(to: number): Wait {
    const { from, hop, plain } = this;
    this.from = to;
    if (to === from) return undefined;
    if (hop < 0) return this.options.handler.onUnrecognized(plain, from, to, this.command);
    if (this.options.paths.get(hop) === undefined) return this.openPath(plain, from, to, hop);
    this.run = { hop, slab: plain, from, to };
    return undefined;
  }

  private openPath(plain: Buffer, from: number, to: number, hop: number) {
    return Effect.gen({ self: this }, function* () {
      for (let index = from; index < to; index++) {
        // The reader of the hop stands at a later cell.
        const second = relayCellV0.makeReader();
        second.reset(plain, index);
        if (!second.next()) continue;
        yield* this.options.handler.onFirstStreamMessage(hop, second.command);
        const path = this.options.paths.get(hop);
        if (path === undefined) continue;
        this.run = { hop, slab: plain, from: index, to };
        return;
      }
    });
  }
}

/** Version and tag of a circuit-level SENDME; an empty one is of version 0 (tor-spec, "Circuit-level flow control"). */
const readCircuitSendme = (view: RelayMessageView): { readonly version: number; readonly tag: Buffer | undefined } => {
  const { bytes, start, end } = view;
  if (end - start < 3) return { version: end > start ? (bytes[start] as number) : 0, tag: undefined };
  const version = bytes[start] as number;
  // What follows version 0 is not looked at.
  if (version === 0) return { version, tag: undefined };
  const length = bytes.readUInt16BE(start + 1);
  if (end - start < 3 + length) {
    throw new CircuitProtocolError({ where: "SENDME", detail: `a tag of ${length} bytes in ${end - start}` });
  }
  return { version, tag: Buffer.from(bytes.subarray(start + 3, start + 3 + length)) };
};

const NO_BYTES = Buffer.alloc(0);

const NO_RUN = -2;
const NOT_ASKED = -3;

/** Cells that one circuit may sort in a row, in trains of any length: more than its channel's reader brings in a row. */
const TURN_CELLS = 512;

/** What a recognised cell is, to the sorter. */
const STREAM = 0;
const CIRCUIT = 1;
const ACKNOWLEDGE = 2;
const DROPPED = 3;
