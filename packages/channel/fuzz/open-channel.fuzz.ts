import assert from "node:assert/strict";
import { CellDecoder, ChannelCommand, encodeFixedCell, encodeVariableCell } from "@allium/cell";
import { MemoryQuota } from "@allium/kernel";
import { Cause, Clock, Effect, Exit } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { ChannelActivity } from "../src/channel-activity.ts";
import { ChannelReader } from "../src/channel-reader.ts";
import { ChannelWriter } from "../src/channel-writer.ts";
import { CircuitMap } from "../src/circuit-map.ts";
import { CircuitOutbox, connectionPair, TurnList } from "../src/index.ts";

/** Most cells that a peer sends on an open channel, and some that it must not send. */
const anyCell = (random: Random): Buffer => {
  const circId = random.pick([0, 1, 2, 0x8000_0001, random.uint32()]);
  const command = random.oneIn(4) ? random.below(256) : random.pick(Object.values(ChannelCommand));
  const body = random.bytes(random.below(random.oneIn(5) ? 509 : 30));
  return command === 7 || command >= 128
    ? encodeVariableCell(circId, command, body)
    : encodeFixedCell(circId, command, body);
};

const clock = Effect.runSync(Clock.Clock);

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "open channel",
    run: (random) => {
      const [far, near] = connectionPair(1 << 20);
      const decoder = new CellDecoder();
      decoder.setLinkProtocol(5);
      const activity = new ChannelActivity(0, () => {});
      const memory = new MemoryQuota().open({ name: "channels", policy: "share" });
      const writer = new ChannelWriter({ connection: near, activity, clock, quantumCells: 16, memory });
      let created = 0;
      const reader = new ChannelReader({
        connection: near,
        decoder,
        circuits: new CircuitMap(),
        activity,
        clock,
        isTheirs: (circId) => circId < 0x8000_0000,
        answersFull: () => writer.answersFull,
        onCreate: () => created++,
        refuse: (circId, reason) =>
          writer.send(encodeFixedCell(circId, ChannelCommand.DESTROY, Buffer.of(reason)), true),
        onDestroy: () => false,
        onPaddingNegotiate: () => {},
      });
      const cells = Buffer.concat(Array.from({ length: random.below(12) }, () => anyCell(random)));
      far.write(random.oneIn(2) ? random.mutate(cells) : cells);
      far.end();
      // It ends with the connection, or with a violation: never with a defect.
      let exit: Exit.Exit<void, unknown> = Exit.void;
      while (Exit.isSuccess(exit)) exit = Effect.runSyncExit(reader.turn() ?? Effect.die("it waits for more"));
      assert.ok(exit.cause.reasons.every(Cause.isFailReason), String(exit.cause));
      assert.ok(created <= activity.counters.cellsIn);
    },
  },
  {
    name: "turns of circuits",
    run: (random) => {
      const turns = new TurnList({ quantum: 1 + random.below(20), onActive: () => {} });
      const sent = new Map<CircuitOutbox, number>();
      const outboxes = Array.from({ length: 1 + random.below(5) }, (_, index) => {
        const outbox = new CircuitOutbox({
          circId: index + 1,
          turns,
          limitCells: 1 + random.below(40),
          nanos: () => 0n,
        });
        sent.set(outbox, 0);
        return outbox;
      });
      const write = (bytes: number): void => {
        const out = Buffer.alloc(bytes);
        const end = turns.compose(out, 0);
        assert.ok(end <= bytes && end % 514 === 0);
        for (let at = 0; at < end; at += 514) {
          const outbox = outboxes[out.readUInt32BE(at) - 1]!;
          assert.equal(out.readUInt32BE(at + 5), sent.get(outbox));
          sent.set(outbox, sent.get(outbox)! + 1);
        }
      };
      const pushed = new Map(outboxes.map((outbox) => [outbox, 0]));
      for (let step = 0; step < 40; step++) {
        const outbox = random.pick(outboxes);
        if (random.oneIn(3)) write(random.below(20_000));
        else if (random.oneIn(20)) outbox.close();
        else {
          const count = 1 + random.below(32);
          const slab = Buffer.alloc(count * 509);
          for (let index = 0; index < count; index++) slab.writeUInt32BE(pushed.get(outbox)! + index, index * 509);
          if (outbox.hasRoom && outbox.push({ command: 3, count, slab })) {
            pushed.set(outbox, pushed.get(outbox)! + count);
          }
        }
      }
      for (let left = 100; turns.active && left > 0; left--) write(64 * 1024);
      assert.equal(turns.active, false);
      for (const outbox of outboxes) {
        assert.equal(outbox.cells, 0);
        if (!outbox.closed) assert.equal(sent.get(outbox), pushed.get(outbox));
      }
    },
  },
];
