import assert from "node:assert/strict";
import {
  CellError,
  RelayCommand,
  type RelayMessage,
  readRelayMessage,
  relayCellV0,
  StreamIdRule,
  streamIdRules,
  writeRelayMessage,
} from "@allium/cell";
import { type Connection, slabBytes, TransportError } from "@allium/channel";
import { MemoryQuota } from "@allium/kernel";
import { Effect } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  CIRCUITS,
  CircuitProtocolError,
  congestionParams,
  FlowError,
  flowParams,
  Micros,
  makeHopFlow,
  refuseStream,
  StreamTable,
} from "../src/index.ts";

/** An application that reads, writes, ends and breaks at random. */
class Application implements Connection {
  readonly remote = { host: "10.0.0.80", port: 80 };
  readonly local = { host: "10.0.0.1", port: 40_000 };
  readonly tls = undefined;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  pending = 0;
  /** Let go of by the table: it may not be touched any more. */
  released = false;
  received = 0;
  private chunks: Array<Buffer> = [];
  private listener: () => void = () => {};

  get readable(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  onChange(listener: () => void): void {
    this.listener = listener;
  }
  read(): Buffer | undefined {
    assert.ok(!this.released, "read after it was let go of");
    return this.chunks.shift();
  }
  write(bytes: Buffer): void {
    assert.ok(!this.released, "written after it was let go of");
    this.pending += bytes.length;
    this.received += bytes.length;
  }
  end(): void {}
  destroy(): void {
    this.status = "closed";
  }
  reset(): void {
    this.destroy();
  }
  act(random: Random): void {
    switch (random.below(4)) {
      case 0:
        if (this.status === "open") this.chunks.push(Buffer.alloc(1 + random.below(random.pick([10, 600, 20_000]))));
        break;
      case 1:
        this.pending -= random.pick([this.pending, random.below(this.pending + 1)]);
        break;
      case 2:
        if (this.status === "open" && random.oneIn(4)) this.status = "ended";
        break;
      default:
        if (this.status === "closed" || !random.oneIn(6)) break;
        this.status = "closed";
        this.failure = new TransportError({
          kind: random.pick(["reset", "timeout", "other"]),
          code: "E",
          endpoint: this.remote,
        });
    }
    this.listener();
  }
}

const NAME = { family: "name", address: "example.com" } as const;

const someMessage = (random: Random): RelayMessage =>
  random.pick<() => RelayMessage>([
    () => ({ _tag: "BEGIN", destination: NAME, port: 1 + random.below(4), flags: random.below(8) }),
    () => ({ _tag: "BEGIN_DIR" }),
    () => ({ _tag: "RESOLVE", query: NAME }),
    () => ({ _tag: "DATA", data: Buffer.alloc(random.pick([0, 1, 498, random.below(499)])) }),
    () => ({ _tag: "DATA", data: Buffer.alloc(498) }),
    () => ({ _tag: "END", reason: random.below(256), resolved: undefined }),
    () => ({ _tag: "CONNECTED", resolved: undefined }),
    () => ({ _tag: "RESOLVED", answers: [] }),
    () => ({ _tag: "SENDME", version: 0 }),
    () => ({ _tag: "XOFF" }),
    () => ({ _tag: "XON", kilobytesPerSecond: random.pick([0, 1, random.uint32()]) }),
  ])();

/** Whether a stream may have this message's cell at all: the cell reader refuses others before the table sees them. */
const reachesTable = (command: number): boolean => streamIdRules[command] !== StreamIdRule.ZERO;

/** Runs `act`. True if it threw what ends a circuit for a violation; anything else is a finding. */
const violates = (act: () => void): boolean => {
  try {
    act();
    return false;
  } catch (error) {
    if (error instanceof CircuitProtocolError || error instanceof FlowError || error instanceof CellError) return true;
    throw error;
  }
};

/** Any messages in any order, applications that do as they please, and a collector now and then. */
const fuzzTable = (random: Random): void => {
  const role = random.pick(["exit", "client"] as const);
  const params = congestionParams(() => undefined, "exit");
  const flow = makeHopFlow(random.oneIn(2) ? params.vegas : params.fixedWindow);
  const applications: Array<Application> = [];
  const opening: Array<(effect: Effect.Effect<Connection>) => void> = [];
  let now = Micros(0);
  let answered = 0;
  let requests = 0;
  const application = (): Application => {
    const made = new Application();
    applications.push(made);
    return made;
  };
  const letGo = (application: Application): void => {
    assert.ok(!application.released, "let go of twice");
    application.released = true;
  };
  const begin = Effect.suspend(() => {
    if (random.oneIn(5)) return Effect.fail(refuseStream(1 + random.below(14)));
    const opened = Effect.map(
      random.oneIn(3)
        ? Effect.callback<Connection>((resume) => {
            opening.push(resume);
          })
        : Effect.sync((): Connection => application()),
      (connection) => ({ connection, connected: { _tag: "CONNECTED", resolved: undefined } as const }),
    );
    return opened;
  });
  const streamBufferBytes = 2_000 + random.below(20_000);
  const maxStreams = 1 + random.below(6);
  const quota = new MemoryQuota();
  const memory = quota.open(CIRCUITS);
  const table = new StreamTable({
    hop: 0,
    flow,
    flowParams: flowParams(() => undefined),
    role,
    format: relayCellV0,
    opener: {
      begin: () => begin,
      beginDirectory: begin,
      resolve: () => Effect.succeed([]),
      linger: (connection) => letGo(connection as Application),
    },
    maxTrain: random.pick([1, 3, 32]),
    maxStreams,
    streamBufferBytes,
    hopBufferBytes: 3 * streamBufferBytes,
    memory,
    firstStreamId: 1 + random.below(0xffff),
    padding: (bytes, start, end) => bytes.fill(0xaa, start, end),
    below: (limit) => random.below(limit),
    now: () => now,
    wake: () => {},
    fork: (effect) => {
      const fiber = Effect.runFork(effect);
      return () => fiber.interruptUnsafe();
    },
  });
  const tags: Array<Buffer> = [];
  const reader = relayCellV0.makeReader();

  const deliver = () => {
    // As the reactors do: nothing is delivered while the table is blocked.
    if (table.blocked) return;
    const count = 1 + random.below(8);
    const slab = Buffer.alloc(slabBytes(count));
    for (let index = 0; index < count; index++) {
      const streamId = 1 + random.below(5);
      if (random.oneIn(30)) {
        const command = random.below(256);
        if (!reachesTable(command)) continue;
        const body = random.bytes(random.below(40));
        relayCellV0.writeMessage(slab, index, command, streamId, body, 0, body.length);
      } else {
        writeRelayMessage(relayCellV0, slab, index, streamId, someMessage(random));
      }
    }
    // Cells that were left out are of command 0 on stream 0, which no reader of a table is given.
    const to = slab.findIndex((_, at) => at % 509 === 0 && slab[at] === 0);
    table.deliver({ hop: 0, slab, from: 0, to: to < 0 ? count : to / 509 });
  };
  const collect = () => {
    table.settle();
    const batch = table.collect();
    // Whatever has happened: now the account is what waits, and something old is there if anything is.
    assert.equal(memory.bytes, table.heldBytes);
    assert.equal(table.oldest() !== undefined, table.heldBytes > 0);
    for (let index = 0; index < (batch?.count ?? 0); index++) {
      reader.reset(batch?.slab as Buffer, index);
      assert.ok(reader.next());
      readRelayMessage(reader);
      if (reader.command !== RelayCommand.DATA) continue;
      flow.budget.sealed++;
      if (flow.sending.onCellSent(now)) {
        const tag = random.bytes(20);
        flow.sending.rememberTag(tag);
        tags.push(tag);
      }
    }
  };
  const acknowledge = () => {
    const tag = tags.shift();
    if (tag !== undefined) flow.sending.onSendme(1, tag, now, { channelBlocked: random.oneIn(8) });
  };
  const request = () => {
    if (role !== "client") return;
    const message = random.pick([
      { _tag: "BEGIN", destination: NAME, port: 80, flags: 0 },
      { _tag: "BEGIN_DIR" },
      { _tag: "RESOLVE", query: NAME },
    ] as const);
    let ended = false;
    const connection = message._tag === "RESOLVE" ? undefined : application();
    const id = table.request(message, connection, {
      onConnected: () => assert.ok(!ended),
      onResolved: () => {
        assert.ok(!ended);
        ended = true;
        answered++;
      },
      onEnd: () => {
        assert.ok(!ended, "told of its end twice");
        ended = true;
        answered++;
        if (connection !== undefined) letGo(connection);
      },
    });
    if (id === undefined) applications.pop();
    else requests++;
  };

  for (let step = 0; step < 80; step++) {
    now = Micros(now + random.pick([0, 1, random.below(10_000), random.below(3_000_000)]));
    const act = random.pick([
      deliver,
      deliver,
      collect,
      collect,
      acknowledge,
      request,
      () => applications[random.below(applications.length)]?.act(random),
      () => opening.shift()?.(Effect.sync(application)),
      () => {
        const at = table.alarm();
        if (at !== undefined) now = Micros(Math.max(now, at));
        table.onAlarm();
      },
      () => {
        if (random.oneIn(8)) table.close(1 + random.below(5), random.below(256));
      },
    ]);
    if (violates(act)) break;
    assert.ok(table.size <= maxStreams);
    assert.ok(table.bufferedBytes >= 0);
    assert.ok(table.bufferedBytes <= maxStreams * (streamBufferBytes + 8 * 498));
    assert.ok(flow.budget.packaged >= flow.budget.sealed);
  }
  if (random.oneIn(3)) table.dropAll(11);
  else table.closeAll(5);
  assert.equal(table.size, 0);
  assert.equal(table.bufferedBytes, 0);
  assert.equal(table.heldBytes, 0);
  assert.equal(memory.bytes, 0);
  assert.equal(table.oldest(), undefined);
  assert.ok(answered <= requests);
  for (const one of applications) assert.ok(one.released || one.status === "closed", "a connection was forgotten");
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "stream table", run: fuzzTable }];
