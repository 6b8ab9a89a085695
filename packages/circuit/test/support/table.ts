import {
  type Begin,
  RelayCommand,
  type RelayMessage,
  readRelayMessage,
  relayCellV0,
  relayCommandName,
  writeRelayMessage,
} from "@allium/cell";
import { type Connection, slabBytes, type TransportError } from "@allium/channel";
import { Effect, References } from "effect";
import {
  congestionParams,
  flowParams,
  type HopFlow,
  Micros,
  makeHopFlow,
  refuseStream,
  type StreamAdmission,
  type StreamOpener,
  StreamTable,
  type StreamTableOptions,
} from "../../src/index.ts";

/** An application's end of a stream, moved by hand. */
export class Application implements Connection {
  readonly remote = { host: "10.0.0.80", port: 80 };
  readonly local = { host: "10.0.0.1", port: 40_000 };
  readonly tls = undefined;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  pending = 0;
  destroyed = false;
  /** What the stream has written, in order. */
  readonly written: Array<Buffer> = [];
  private readonly chunks: Array<Buffer> = [];
  private listener: () => void = () => {};
  /** Whether it takes what is written at once. */
  private readonly takes: boolean;

  constructor(takes = true) {
    this.takes = takes;
  }

  get readable(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  onChange(listener: () => void): void {
    this.listener = listener;
  }

  read(): Buffer | undefined {
    return this.chunks.shift();
  }

  write(bytes: Buffer): void {
    this.written.push(Buffer.from(bytes));
    if (!this.takes) this.pending += bytes.length;
  }

  end(): void {}

  destroy(): void {
    this.destroyed = true;
    this.status = "closed";
  }

  reset(): void {
    this.destroy();
  }

  /** Bytes for the other side. */
  give(bytes: Buffer): void {
    // What is read is the reader's.
    this.chunks.push(Buffer.from(bytes));
    this.listener();
  }

  /** The application reads so much of what was written. */
  take(bytes: number): void {
    this.pending = Math.max(0, this.pending - bytes);
    this.listener();
  }

  /** No more comes from it. */
  finish(failure?: TransportError): void {
    this.failure = failure;
    this.status = failure === undefined ? "ended" : "closed";
    this.listener();
  }

  get bytesWritten(): number {
    return this.written.reduce((sum, bytes) => sum + bytes.length, 0);
  }
}

/** A message that the table has sent. */
export interface Sent {
  readonly streamId: number;
  readonly tag: string;
  readonly message: ReturnType<typeof readRelayMessage>;
  readonly body: Buffer;
  /** The whole payload of its cell. */
  readonly cell: Buffer;
}

/** How a table is varied. */
export interface TableVariant extends Partial<StreamTableOptions> {
  readonly congestionControl?: boolean;
  readonly begin?: (request: Begin) => ReturnType<StreamOpener["begin"]>;
  readonly resolve?: StreamOpener["resolve"];
  readonly admit?: () => StreamAdmission;
  readonly param?: (name: string) => number | undefined;
}

const CONNECTED = { _tag: "CONNECTED", resolved: undefined } as const;

/** What `begin` of a table's opener may answer with. */
export const opened = (connection: Connection) => Effect.succeed({ connection, connected: CONNECTED });

/** A stream table without reactors: the test is ingress and egress. */
export class TableUnderTest {
  readonly table: StreamTable;
  readonly flow: HopFlow;
  now = Micros(0);
  /** Times that the collector was woken. */
  woken = 0;
  readonly lingering: Array<Connection> = [];
  private readonly reader = relayCellV0.makeReader();
  private readonly tags: Array<Buffer> = [];
  /** Whether the other side acknowledges at once. */
  acknowledges = true;

  constructor(variant: TableVariant = {}) {
    const param = variant.param ?? (() => undefined);
    const params = congestionParams(param, "exit");
    this.flow = makeHopFlow(variant.congestionControl === false ? params.fixedWindow : params.vegas);
    let drawn = 1;
    this.table = new StreamTable({
      hop: 0,
      flow: this.flow,
      flowParams: flowParams(param),
      role: "exit",
      format: relayCellV0,
      opener: {
        ...(variant.admit === undefined ? {} : { admit: variant.admit }),
        begin: variant.begin ?? (() => Effect.fail(refuseStream(4))),
        beginDirectory: Effect.fail(refuseStream(14)),
        resolve: variant.resolve ?? (() => Effect.succeed([])),
        linger: (connection) => {
          this.lingering.push(connection);
        },
      },
      maxTrain: 32,
      maxStreams: 4_096,
      streamBufferBytes: 2 * 1024 * 1024,
      hopBufferBytes: 16 * 1024 * 1024,
      firstStreamId: 1,
      // Bytes that a test can tell from data and from zeros.
      padding: (bytes, start, end) => bytes.fill(0xaa, start, end),
      below: (limit) => {
        drawn = (drawn * 48_271) % 0x7fff_ffff;
        return drawn % limit;
      },
      now: () => this.now,
      wake: () => {
        this.woken++;
      },
      fork: (effect) => {
        const fiber = Effect.runFork(Effect.provideService(effect, References.MinimumLogLevel, "None"));
        return () => fiber.interruptUnsafe();
      },
      ...variant,
    });
  }

  /** Delivers messages in one train. */
  deliver(...messages: ReadonlyArray<readonly [streamId: number, message: RelayMessage]>): void {
    const slab = Buffer.alloc(slabBytes(messages.length));
    for (const [index, [streamId, message]] of messages.entries()) {
      writeRelayMessage(relayCellV0, slab, index, streamId, message);
    }
    this.table.deliver({ hop: 0, slab, from: 0, to: messages.length });
  }

  /** Delivers one message with whatever body. */
  deliverBody(streamId: number, command: number, body: Buffer): void {
    const slab = Buffer.alloc(slabBytes(1));
    relayCellV0.writeMessage(slab, 0, command, streamId, body, 0, body.length);
    this.table.deliver({ hop: 0, slab, from: 0, to: 1 });
  }

  /** As the reactors do: settles, then collects until there is nothing more. Sealing and acknowledging as egress and a client do. */
  collect(most = Number.POSITIVE_INFINITY): Array<Sent> {
    const sent: Array<Sent> = [];
    for (let rounds = 0; rounds < most; rounds++) {
      const { woken } = this;
      this.table.settle();
      const batch = this.table.collect();
      if (batch === undefined) {
        if (this.woken === woken) break;
        continue;
      }
      for (let index = 0; index < batch.count; index++) sent.push(this.seal(batch.slab, index));
      this.acknowledge();
    }
    return sent;
  }

  private seal(slab: Buffer, index: number): Sent {
    const { reader, flow } = this;
    reader.reset(slab, index);
    reader.next();
    if (reader.command === RelayCommand.DATA) {
      flow.budget.sealed++;
      if (flow.sending.onCellSent(this.now)) {
        const tag = Buffer.alloc(20, this.tags.length);
        flow.sending.rememberTag(tag);
        this.tags.push(tag);
      }
    }
    return {
      streamId: reader.streamId,
      tag: relayCommandName(reader.command) ?? "?",
      message: readRelayMessage(reader),
      body: Buffer.from(reader.bytes.subarray(reader.start, reader.end)),
      cell: Buffer.from(slab.subarray(slabBytes(index), slabBytes(index + 1))),
    };
  }

  acknowledge(): void {
    if (!this.acknowledges) return;
    for (let tag = this.tags.shift(); tag !== undefined; tag = this.tags.shift()) {
      this.flow.sending.onSendme(1, tag, this.now, { channelBlocked: false });
    }
  }
}
