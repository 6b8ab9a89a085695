import { DestroyReason } from "@allium/cell";
import type { ClientCircuit, OpenStream } from "@allium/circuit";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { HostileCircuit } from "../../../../../test/memory-network/hostile/hostile-relay.ts";
import type { HostileResponder } from "../case.ts";
import type { InitiatorStage } from "../initiator-stage.ts";

const DATA = { _tag: "DATA", data: Buffer.alloc(100) } as const;
const MUCH = 1_000_000;

/** DATA cells that one SENDME acknowledges. */
const SENDME_INC = 31;

/** Sends much to the echo behind the exit, and reads until a leg has ended, or for so long. */
const transfer = (stage: InitiatorStage, { connection }: OpenStream, seconds: number) =>
  Effect.gen(function* () {
    connection.write(Buffer.alloc(MUCH, "onion"));
    let bytes = 0;
    for (let turn = 0; turn < seconds * 100 && stage.circuits.every(({ end }) => end === undefined); turn++) {
      for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) bytes += chunk.length;
      yield* TestClock.adjust("10 millis");
    }
    return bytes;
  });

/** Both circuits are the client's, and relays of Allium's; a guard or a line does what it likes. */
const withTransfer =
  (act: (stage: InitiatorStage, stream: OpenStream) => Effect.Effect<void>) =>
  (stage: InitiatorStage): Effect.Effect<number> =>
    Effect.gen(function* () {
      yield* stage.linked;
      const stream = yield* stage.open;
      yield* act(stage, stream);
      return 0;
    });

const closes = (stream: OpenStream) => Effect.sync(() => assert.strictEqual(stream.connection.status, "closed"));

const bothEnded = (legs: readonly [ClientCircuit, ClientCircuit]) =>
  Effect.sync(() => assert.isTrue(legs.every(({ end }) => end !== undefined)));

/** What a client makes of exits and guards that do not do their part. */
export const clientSilenceCases: ReadonlyArray<HostileResponder> = [
  {
    what: "the exit never acknowledges what comes on any leg: a window of it is sent on each, and then waits",
    rule: { from: "tor-spec, Flow control" },
    end: "ignored",
    isSpent: true,
    play: withTransfer((stage, { connection }) =>
      Effect.gen(function* () {
        connection.write(Buffer.alloc(MUCH));
        yield* TestClock.adjust("10 minutes");
        const came = stage.at.map(({ received }) => received.filter(({ message }) => message._tag === "DATA").length);
        for (const cells of came) assert.isAbove(cells, 0);
        assert.isBelow((came[0] ?? 0) + (came[1] ?? 0), 1000);
        assert.strictEqual(stage.state.receiver.queue.bytes, 0);
      }),
    ),
  },
  {
    what: "the exit never acknowledges what comes on the second leg: the stream goes on over the first",
    rule: { from: "tor-spec, Flow control" },
    end: "ignored",
    isSpent: true,
    options: () => {
      let data = 0;
      return {
        onMessage: (leg, _streamId, { _tag }) => {
          if (_tag === "DATA" && leg.armed && ++data % SENDME_INC === 0) {
            leg.send(0, { _tag: "SENDME", version: 1, tag: leg.tags.at(-1) as Buffer });
          }
          return false;
        },
      };
    },
    play: withTransfer((stage, { connection }) =>
      Effect.gen(function* () {
        stage.at[0].armed = true;
        connection.write(Buffer.alloc(MUCH));
        yield* TestClock.adjust("1 minute");
        const bytes = stage.at.map(({ received }) =>
          received.reduce((sum, { message }) => sum + (message._tag === "DATA" ? message.data.length : 0), 0),
        );
        assert.strictEqual((bytes[0] ?? 0) + (bytes[1] ?? 0), MUCH);
        assert.isAbove(bytes[1] ?? 0, 0);
      }),
    ),
  },
  {
    what: "a guard kills one leg in the middle of a transfer: the application hears it at once",
    rule: { from: "proposal 329, 2.4.3" },
    end: "the set ends: FINISHED",
    options: { place: "guard" },
    play: withTransfer((stage, stream) =>
      Effect.gen(function* () {
        yield* transfer(stage, stream, 0.3);
        stage.at[0].destroy(DestroyReason.PROTOCOL);
        yield* TestClock.adjust("200 millis");
        yield* closes(stream);
        yield* bothEnded(stage.circuits);
      }),
    ),
  },
  {
    what: "a guard kills one leg that nothing was sent on",
    rule: { from: "proposal 329, 2.4.3" },
    end: "its set goes on",
    options: { place: "guard" },
    play: (stage) =>
      Effect.map(stage.linked, () => {
        stage.at[0].destroy(DestroyReason.PROTOCOL);
        return 0;
      }),
  },
  {
    what: "a guard hands nothing on of one leg in the middle of a transfer: what waits is within its window",
    rule: { from: "ours; as `tor`" },
    end: "ignored",
    isSpent: true,
    options: () => ({ place: "guard", backward: (train, leg) => (leg.armed ? [] : [train]) }),
    play: withTransfer((stage, stream) =>
      Effect.gen(function* () {
        yield* transfer(stage, stream, 0.2);
        stage.at[0].armed = true;
        yield* transfer(stage, stream, 30);
        assert.isBelow(stage.state.receiver.queue.bytes, 8_000_000);
        assert.strictEqual(stream.connection.status, "open");
      }),
    ),
  },
  {
    what: "a guard changes a bit of a cell on one leg",
    rule: { from: "tor-spec, Relay cells" },
    faults: ["RELAY"],
    end: "the set ends: PROTOCOL, its other legs: FINISHED",
    options: () => ({
      place: "guard",
      backward: (train, leg) => {
        if (leg.armed) train.slab[100] = (train.slab[100] as number) ^ 1;
        return [train];
      },
    }),
    play: withTransfer((stage, stream) =>
      Effect.gen(function* () {
        stage.at[0].armed = true;
        yield* transfer(stage, stream, 10);
      }),
    ),
  },
  {
    what: "a guard hands a cell of one leg on twice",
    rule: { from: "tor-spec, Relay cells" },
    faults: ["RELAY"],
    end: "the set ends: PROTOCOL, its other legs: FINISHED",
    options: () => ({
      place: "guard",
      backward: (train, leg) => (leg.armed ? [{ ...train, slab: Buffer.from(train.slab) }, train] : [train]),
    }),
    play: withTransfer((stage, stream) =>
      Effect.gen(function* () {
        stage.at[0].armed = true;
        yield* transfer(stage, stream, 10);
      }),
    ),
  },
  {
    what: "the exit opens streams, and never answers on the second leg: what it does answer is carried",
    rule: { from: "proposal 329, 2.6" },
    end: "ignored",
    options: {
      onMessage: (leg, _streamId, { _tag }) => leg.armed && _tag !== "CONFLUX_LINK" && _tag !== "CONFLUX_LINKED_ACK",
    },
    play: (stage) =>
      Effect.gen(function* () {
        yield* stage.linked;
        const stream = yield* stage.open;
        const from = stage.at[0].lastStream === 0 ? 1 : 0;
        const silent = stage.at[1 - from] as HostileCircuit;
        silent.armed = true;
        for (let sent = 0; sent < 50; sent++) stage.say(stage.at[from], stage.at[from].lastStream, DATA);
        yield* TestClock.adjust("1 second");
        assert.strictEqual(stream.connection.read()?.length !== undefined, true);
        silent.armed = false;
        return 0;
      }),
  },
];
