import { ChannelCommand, type RelayCellReader, RelayCommand, type RelayMessageView, relayCellV0 } from "@allium/cell";
import type { ChannelCircuit, Train } from "@allium/channel";
import type { InboundCrypto } from "@allium/crypto";
import { type LinkWriter, Reactor, type ReactorError, type Signal } from "@allium/kernel";
import { Effect, type Scope } from "effect";
import { type CircuitError, errorOfEnd, toProtocolError } from "./errors.ts";
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
  /** RELAY_EARLY cells came in. @throws CircuitProtocolError if they may not */
  readonly onEarly: (count: number) => void;
  /** A run of plain cells that no hop known here has recognised. */
  readonly onUnrecognized: (
    plain: Buffer,
    from: number,
    to: number,
    command: number,
  ) => Effect.Effect<void, IngressError>;
  /** A message of the circuit itself, other than SENDME, with the command of the cell that carried it. */
  readonly onMessage: (
    hop: number,
    view: RelayMessageView,
    command: number,
  ) => Effect.Effect<void, IngressError, Scope.Scope>;
  /**
   * A stream message came for a hop without a stream path. May install one; if it does not, the message is dropped.
   * @throws CircuitProtocolError
   */
  readonly onFirstStreamMessage: (hop: number, command: number) => Effect.Effect<void, IngressError, Scope.Scope>;
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
export const makeIngress = (options: IngressOptions) =>
  Reactor.make({
    name: "ingress",
    reads: {},
    writes: { commands: Reactor.port<EgressCommand>() },
    run: ({ commands }) => runIngress(options, commands),
  });

const runIngress = (
  options: IngressOptions,
  commands: LinkWriter<EgressCommand>,
): Effect.Effect<never, IngressError, Scope.Scope> => {
  const { near, signal } = options;
  const { inbox } = near;
  const sorter = new Sorter(options, commands);
  return Effect.gen(function* () {
    for (;;) {
      const train = inbox.take();
      if (train !== undefined) {
        yield* sorter.sort(train);
        continue;
      }
      const end = inbox.ended();
      if (end !== undefined) return yield* errorOfEnd("near", end);
      yield* signal.wait;
    }
  });
};

/** Sorts the cells of trains into runs that go the same way. */
class Sorter {
  private readonly options: IngressOptions;
  private readonly commands: LinkWriter<EgressCommand>;
  private readonly readers: Array<RelayCellReader> = [];
  /** Looks at cells once more, while the reader of their hop stands at a later one. */
  private readonly second = relayCellV0.makeReader();

  constructor(options: IngressOptions, commands: LinkWriter<EgressCommand>) {
    this.options = options;
    this.commands = commands;
  }

  private reader(hop: number): RelayCellReader {
    const known = this.readers[hop];
    if (known !== undefined) return known;
    const reader = relayCellV0.makeReader();
    this.readers[hop] = reader;
    return reader;
  }

  sort(train: Train): Effect.Effect<void, IngressError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { crypto, handler } = this.options;
      const { command, count } = train;
      if (command === ChannelCommand.RELAY_EARLY) yield* this.guarded(() => handler.onEarly(count));
      const plain = crypto.decrypt(train.slab, count);
      // The run being collected: cells from `from` on that go to the streams of `hop`, or nowhere known (-1).
      let from = 0;
      let hop = NO_RUN;
      for (let index = 0; index < count; index++) {
        const origin = crypto.origin(plain, index);
        if (origin !== hop) {
          if (index > from) yield* this.flush(plain, from, index, hop, command);
          from = index;
          hop = origin;
        }
        if (origin < 0) continue;
        const kind = this.look(plain, index, origin);
        if (kind === STREAM) continue;
        if (kind === ACKNOWLEDGE) {
          const tag = crypto.tag();
          yield* this.flush(plain, from, index + 1, hop, command);
          yield* this.commands.offer({ _tag: "Acknowledge", hop: origin, tag });
          this.options.hops[origin]?.receiving.onSendmeSent();
        } else if (typeof kind === "object") {
          return yield* kind;
        } else {
          if (index > from) yield* this.flush(plain, from, index, hop, command);
          yield* this.onCircuitMessage(origin, command);
        }
        from = index + 1;
      }
      if (count > from) yield* this.flush(plain, from, count, hop, command);
    });
  }

  /** Reads the header of a recognised cell, and counts it if it is DATA. */
  private look(plain: Buffer, index: number, hop: number) {
    const reader = this.reader(hop);
    try {
      reader.reset(plain, index);
      if (!reader.next()) return STREAM;
      if (reader.command === RelayCommand.DATA) {
        return this.options.hops[hop]?.receiving.onCellReceived() === true ? ACKNOWLEDGE : STREAM;
      }
      return reader.streamId === 0 ? CIRCUIT : STREAM;
    } catch (cause) {
      return toProtocolError(cause);
    }
  }

  private onCircuitMessage(hop: number, command: number): Effect.Effect<void, IngressError, Scope.Scope> {
    const reader = this.reader(hop);
    if (reader.command !== RelayCommand.SENDME) return this.options.handler.onMessage(hop, reader, command);
    return Effect.flatMap(
      this.guarded(() => readCircuitSendme(reader)),
      ({ version, tag }) => this.commands.offer({ _tag: "Acknowledged", hop, version, tag }),
    );
  }

  private flush(
    plain: Buffer,
    from: number,
    to: number,
    hop: number,
    command: number,
  ): Effect.Effect<void, IngressError, Scope.Scope> {
    if (hop < 0) return this.options.handler.onUnrecognized(plain, from, to, command);
    const path = this.options.paths.get(hop);
    return path === undefined ? this.openPath(plain, from, to, hop) : path.inlet.offer({ hop, slab: plain, from, to });
  }

  private openPath(plain: Buffer, from: number, to: number, hop: number) {
    return Effect.gen({ self: this }, function* () {
      for (let index = from; index < to; index++) {
        const { second } = this;
        second.reset(plain, index);
        if (!second.next()) continue;
        yield* this.options.handler.onFirstStreamMessage(hop, second.command);
        const path = this.options.paths.get(hop);
        if (path !== undefined) return yield* path.inlet.offer({ hop, slab: plain, from: index, to });
      }
    });
  }

  private guarded<A>(run: () => A): Effect.Effect<A, CircuitError> {
    return Effect.try({ try: run, catch: toProtocolError });
  }
}

/** Version and tag of a circuit-level SENDME; an empty one is of version 0 (tor-spec, "Circuit-level flow control"). */
const readCircuitSendme = (view: RelayMessageView): { readonly version: number; readonly tag: Buffer | undefined } => {
  const { bytes, start, end } = view;
  if (end - start < 3) return { version: end > start ? (bytes[start] as number) : 0, tag: undefined };
  const length = bytes.readUInt16BE(start + 1);
  const tag = bytes.subarray(start + 3, Math.min(end, start + 3 + length));
  return { version: bytes[start] as number, tag: Buffer.from(tag) };
};

const NO_RUN = -2;

/** What a recognised cell is, to the sorter. */
const STREAM = 0;
const CIRCUIT = 1;
const ACKNOWLEDGE = 2;
