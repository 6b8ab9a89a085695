import {
  CellError,
  ChannelCommand,
  type RelayCellReader,
  RelayCommand,
  type RelayMessageView,
  relayCellV0,
} from "@allium/cell";
import type { ChannelCircuit, Train } from "@allium/channel";
import type { InboundCrypto } from "@allium/crypto";
import { type LinkWriter, Reactor, type ReactorError, type Signal } from "@allium/kernel";
import { Effect } from "effect";
import { type CircuitError, CircuitProtocolError, errorOfEnd, toProtocolError } from "./errors.ts";
import type { HopFlow } from "./hop.ts";
import type { EgressCommand } from "./messages.ts";
import type { StreamPaths } from "./stream-path.ts";

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

const ingressTurn = (
  options: IngressOptions,
  commands: LinkWriter<EgressCommand>,
): Effect.Effect<void, IngressError> => {
  const { inbox } = options.near;
  const sorter = new Sorter(options, commands);
  let sorted = 0;
  return Effect.gen(function* () {
    for (let train = inbox.take(); train !== undefined; train = inbox.take()) {
      let wait = sorter.begin(train);
      // A circuit whose cells make nobody wait must not keep the process to itself.
      sorted += train.count;
      if (wait === undefined && sorted >= TURN_CELLS) {
        sorted = 0;
        wait = Effect.yieldNow;
      }
      while (wait !== undefined) {
        yield* wait;
        wait = sorter.step();
      }
    }
    sorter.rest();
    const end = inbox.ended();
    if (end !== undefined) return yield* errorOfEnd("near", end);
  });
};

/** What has to happen before sorting goes on; `undefined` if it can at once, which costs no step of a fiber. */
type Wait = Effect.Effect<void, IngressError> | undefined;

/**
 * Sorts the cells of trains into runs that go the same way. A state machine: `begin` and `step` go as far as they can without
 * waiting, and return what to wait for before the next `step`.
 */
class Sorter {
  private readonly options: IngressOptions;
  private readonly commands: LinkWriter<EgressCommand>;
  private readonly readers: Array<RelayCellReader> = [];
  private plain: Buffer = NO_BYTES;
  private command = 0;
  private count = 0;
  /** The next cell to sort, and the hop it came from if that was asked already: it can be asked once. */
  private index = 0;
  private origin = NOT_ASKED;
  /** The run being collected: cells from `from` on that go to the streams of `hop`, or nowhere known (-1). */
  private from = 0;
  private hop = NO_RUN;

  constructor(options: IngressOptions, commands: LinkWriter<EgressCommand>) {
    this.options = options;
    this.commands = commands;
  }

  /** Begins the next train; the one before is done. */
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
    return this.step();
  }

  /** Goes on with the train. `undefined` when all of it is sorted. */
  step(): Wait {
    while (this.index < this.count) {
      const { index } = this;
      const origin = this.origin === NOT_ASKED ? this.options.crypto.origin(this.plain, index) : this.origin;
      if (origin !== this.hop) {
        const wait = this.flush(index);
        this.hop = origin;
        this.origin = origin;
        if (wait !== undefined) return wait;
      }
      this.origin = NOT_ASKED;
      this.index = index + 1;
      if (origin < 0) continue;
      const kind = this.look(index, origin);
      if (kind === STREAM) continue;
      const wait =
        kind === ACKNOWLEDGE
          ? this.acknowledge(origin, index + 1)
          : kind === CIRCUIT
            ? this.onCircuitMessage(origin, index)
            : kind === DROPPED
              ? this.drop(index)
              : Effect.fail(kind);
      if (wait !== undefined) return wait;
    }
    return this.flush(this.count);
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
    this.readers[hop] = reader;
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
      return reader.streamId === 0 ? CIRCUIT : STREAM;
    } catch (cause) {
      if (this.options.handler.dropsWrongStreamIds && cause instanceof CellError && cause.problem === "stream-id") {
        return DROPPED;
      }
      return toProtocolError(cause);
    }
  }

  /** The cell before `to` is one that the other side wants acknowledged: after all that came up to it. */
  private acknowledge(hop: number, to: number): Wait {
    const tag = this.options.crypto.tag();
    return then(this.flush(to), () => {
      const command: EgressCommand = { _tag: "Acknowledge", hop, tag };
      const sent = () => this.options.hops[hop]?.receiving.onSendmeSent();
      if (!this.commands.offerUnsafe(command)) return Effect.map(this.commands.offer(command), sent);
      sent();
      return undefined;
    });
  }

  /** The cell at `index` is for nobody. */
  private drop(index: number): Wait {
    return then(this.flush(index), () => {
      this.from = index + 1;
      return undefined;
    });
  }

  /** The cell at `index` is a message of the circuit: after all that came before it. */
  private onCircuitMessage(hop: number, index: number): Wait {
    return then(this.flush(index), () => {
      this.from = index + 1;
      const reader = this.reader(hop);
      if (reader.command !== RelayCommand.SENDME) return this.options.handler.onMessage(hop, reader, this.command);
      return Effect.flatMap(
        guarded(() => readCircuitSendme(reader)),
        ({ version, tag }) => this.commands.offer({ _tag: "Acknowledged", hop, version, tag }),
      );
    });
  }

  /** Hands on the run that was collected, up to the cell before `to`. */
  private flush(to: number): Wait {
    const { from, hop, plain } = this;
    this.from = to;
    if (to === from) return undefined;
    if (hop < 0) return this.options.handler.onUnrecognized(plain, from, to, this.command);
    const path = this.options.paths.get(hop);
    if (path === undefined) return this.openPath(plain, from, to, hop);
    const train = { hop, slab: plain, from, to };
    return path.inlet.offerUnsafe(train) ? undefined : path.inlet.offer(train);
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
        if (path !== undefined) return yield* path.inlet.offer({ hop, slab: plain, from: index, to });
      }
    });
  }
}

const then = (wait: Wait, next: () => Wait): Wait =>
  wait === undefined ? next() : Effect.flatMap(wait, () => next() ?? Effect.void);

const guarded = <A>(run: () => A): Effect.Effect<A, CircuitError> => Effect.try({ try: run, catch: toProtocolError });

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
