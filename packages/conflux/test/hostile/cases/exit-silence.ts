import type { Connection } from "@allium/channel";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { echo } from "../../../../circuit/test/support/echo-openers.ts";
import { HOSTS, type LabOptions } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import type { ExitStage } from "../exit-stage.ts";
import { nonceOf, type RawLeg, STREAM } from "../raw-leg.ts";

/** A port behind which much is sent, and one behind which nothing is read. */
const POURS = 81;
const STUCK = 82;
const POURED = 2_000_000;
/** Where a client is whose line can be played with. */
const ELSEWHERE = "10.1.0.3";

const lab: LabOptions = {
  serve: (connection: Connection, target: string) => {
    if (target.endsWith(`:${STUCK}`)) return;
    if (!target.endsWith(`:${POURS}`)) return echo(connection);
    pour(connection);
  },
};

/** Sends much, as fast as it is taken. */
const pour = (connection: Connection): void => {
  let left = POURED;
  const more = () => {
    for (; left > 0 && connection.status === "open" && connection.pending === 0; left -= CHUNK.length)
      connection.write(CHUNK);
  };
  connection.onChange(more);
  more();
};
const CHUNK = Buffer.alloc(20_000, "onion");

/** A set of two legs, of which the second is over a channel of its own. */
const apart = (stage: ExitStage) =>
  Effect.gen(function* () {
    const channel = yield* stage.connect(ELSEWHERE);
    const near = yield* stage.leg();
    const far = yield* stage.leg(nonceOf(1), channel);
    return [near, far] as const;
  });

/** Lets time pass, in which clients read and acknowledge as far as they do. */
const reading = (legs: ReadonlyArray<RawLeg>, seconds: number): Effect.Effect<void> =>
  Effect.repeat(
    Effect.andThen(
      TestClock.adjust("10 millis"),
      Effect.sync(() => {
        for (const leg of legs) if (leg.state === "open") leg.circuit.poll();
      }),
    ),
    { times: seconds * 100 },
  );

const received = (legs: ReadonlyArray<RawLeg>): number => legs.reduce((sum, leg) => sum + leg.bytesOf(STREAM), 0);

/** What a set that sends to one who does not take it may hold, of the bytes of a stream and in its circuits. */
const HELD = 1_000_000;

/** What an exit makes of clients that do not do their part. */
export const silenceCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "never acknowledges what comes on one leg: the stream goes on over the other",
    rule: { from: "tor-spec, Flow control" },
    end: "ignored",
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.circuit.acknowledges = false;
        leg.begin(STREAM, POURS);
        yield* reading([leg, other], 20);
        assert.isAbove(leg.bytesOf(STREAM), 0);
        assert.strictEqual(received([leg, other]), POURED);
        return [leg, other];
      }),
  },
  {
    what: "never acknowledges anything: its streams wait",
    rule: { from: "tor-spec, Flow control" },
    end: "ignored",
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const legs = yield* stage.legs;
        for (const leg of legs) leg.circuit.acknowledges = false;
        legs[0].begin(STREAM, POURS);
        yield* reading(legs, 20);
        assert.isBelow(received(legs), POURED);
        assert.isBelow(stage.held(), HELD);
        return legs;
      }),
  },
  {
    what: "reads nothing that comes on one leg's channel, for ten minutes: the exit holds a window of it",
    rule: { from: "ours; as `tor`" },
    end: "ignored",
    isSpent: true,
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const [near, far] = yield* apart(stage);
        near.begin(STREAM, POURS);
        yield* reading([near, far], 1);
        stage.lab.memory.stall(HOSTS[0], ELSEWHERE, true);
        yield* reading([near, far], 20);
        assert.isBelow(stage.held(), HELD);
        yield* TestClock.adjust("10 minutes");
        assert.isBelow(stage.held(), HELD);
        stage.lab.memory.stall(HOSTS[0], ELSEWHERE, false);
        return [far, near];
      }),
  },
  {
    what: "reads nothing that comes on one leg's channel, for an hour: the channel is closed",
    rule: { from: "ours: `STUCK_TIMEOUT_MILLIS`" },
    faults: [],
    end: "the set ends: cut, its other legs: FINISHED",
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const [near, far] = yield* apart(stage);
        far.begin(STREAM, POURS);
        yield* reading([near, far], 1);
        stage.lab.memory.stall(HOSTS[0], ELSEWHERE, true);
        yield* reading([near, far], 1);
        yield* TestClock.adjust("1 hour");
        stage.lab.memory.stall(HOSTS[0], ELSEWHERE, false);
        return [far, near];
      }),
  },
  {
    what: "breaks the channel of one leg in the middle of a transfer",
    rule: { from: "proposal 329, 2.4.3" },
    end: "the set ends: cut, its other legs: FINISHED",
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const [near, far] = yield* apart(stage);
        near.circuit.acknowledges = false;
        near.begin(STREAM, POURS);
        while (far.bytesOf(STREAM) === 0) yield* reading([near, far], 0.01);
        stage.lab.memory.cut(HOSTS[0], ELSEWHERE);
        return [far, near];
      }),
  },
  {
    what: "destroys one leg in the middle of a transfer",
    rule: { from: "proposal 329, 2.4.3" },
    end: "the set ends: FINISHED",
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.begin(STREAM, POURS);
        while (leg.bytesOf(STREAM) === 0) yield* reading([leg, other], 0.01);
        leg.leave();
        return [leg, other];
      }),
  },
  {
    what: "sends 8 MB in spite of XOFF for an application that does not read: no more is taken of these legs",
    rule: { from: "ours; `tor` buffers it" },
    end: "ignored",
    isSpent: true,
    lab,
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.begin(STREAM, STUCK);
        yield* leg.flood(16_000);
        assert.isBelow(stage.held(), 10_000_000);
        return [leg, other];
      }),
  },
];
