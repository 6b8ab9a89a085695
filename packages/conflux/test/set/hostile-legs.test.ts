import { type ConfluxLink, ConfluxUx, RelayCommand, relayCellV0 } from "@allium/cell";
import { layerEntropySeeded, slabBytes } from "@allium/channel";
import { CircuitProtocolError, LegFailed } from "@allium/circuit";
import {
  type ConfluxConfig,
  type ConfluxViolationName,
  confluxParams,
  LINKED_ACK_TIMEOUT_US,
  LOST_CELLS_TIMEOUT_US,
  layerConflux,
  MAX_CELLS_AHEAD,
  MAX_IDLE_SWITCHES,
  MAX_LEGS,
  violationTable,
} from "@allium/conflux";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { aSecond, assertNothingLeft, errorOf, type Lab, makeLab, openRaw } from "../../../circuit/test/support/lab.ts";
import type { RawCircuit } from "../../../circuit/test/support/raw-client.ts";

const nonceOf = (number: number): Buffer => Buffer.alloc(32, number);

const link = (changes: Partial<ConfluxLink> = {}): ConfluxLink => ({
  _tag: "CONFLUX_LINK",
  nonce: nonceOf(1),
  lastSeqnoSent: 0n,
  lastSeqnoReceived: 0n,
  desiredUx: ConfluxUx.NO_OPINION,
  ...changes,
});

/** A relay that links circuits, and clients that keep no rules. */
interface Stage {
  readonly lab: Lab;
  /** A circuit to the relay. */
  readonly open: Effect.Effect<RawCircuit>;
  /** A leg of a set: it has sent LINK, and LINKED came. */
  readonly linked: (nonce?: Buffer) => Effect.Effect<RawCircuit>;
  /** A leg that has sent LINKED_ACK too. */
  readonly leg: (nonce?: Buffer) => Effect.Effect<RawCircuit>;
}

const onStage = <A>(play: (stage: Stage) => Effect.Effect<A>, config: Partial<ConfluxConfig> = {}) =>
  Effect.gen(function* () {
    const conflux = layerConflux({ params: () => confluxParams(() => undefined), ...config });
    const lab = yield* makeLab({ conflux });
    const open = openRaw(lab, { congestionControl: true });
    const linked = (nonce = nonceOf(1)) =>
      Effect.tap(open, (circuit) => {
        circuit.send(0, 0, link({ nonce }));
        return Effect.andThen(
          aSecond,
          Effect.sync(() => assert.include(circuit.tags(0), "CONFLUX_LINKED")),
        );
      });
    const leg = (nonce?: Buffer) =>
      Effect.tap(linked(nonce), (circuit) => {
        circuit.send(0, 0, { _tag: "CONFLUX_LINKED_ACK" });
        return aSecond;
      });
    return yield* play({ lab, open, linked, leg });
  }).pipe(Effect.provide(layerEntropySeeded("hostile legs")), Effect.scoped);

/** What circuits of the relay have ended with, those that were faults. */
const faults = ({ ends }: Lab): ReadonlyArray<string> =>
  (ends[0] ?? []).flatMap((cause) => {
    const error = errorOf(cause);
    return error instanceof LegFailed || error instanceof CircuitProtocolError ? [error.message] : [];
  });

interface Case {
  readonly what: string;
  readonly violation: ConfluxViolationName;
  readonly config?: Partial<ConfluxConfig>;
  /** Circuits that are left, if the case leaves some. */
  readonly left?: number;
  readonly play: (stage: Stage) => Effect.Effect<unknown>;
}

const data = (circuit: RawCircuit, cells: number): void => {
  const slab = Buffer.alloc(slabBytes(cells));
  for (let index = 0; index < cells; index++) {
    relayCellV0.writeMessage(slab, index, RelayCommand.DATA, 5, Buffer.alloc(100), 0, 100);
  }
  circuit.sendPlain(0, slab);
};

const skip = (circuit: RawCircuit, relativeSeqno: number): void =>
  circuit.send(0, 0, { _tag: "CONFLUX_SWITCH", relativeSeqno });

const CASES: ReadonlyArray<Case> = [
  {
    what: "LINK while conflux is switched off",
    violation: "conflux-off",
    config: { accepts: () => false },
    play: ({ open }) => Effect.map(open, (circuit) => circuit.send(0, 0, link())),
  },
  {
    what: "LINK on a circuit with windows of fixed size",
    violation: "no-congestion-control",
    play: ({ lab }) => Effect.map(openRaw(lab), (circuit) => circuit.send(0, 0, link())),
  },
  {
    what: "LINK on a circuit that has a stream",
    violation: "dirty-circuit",
    play: ({ open }) =>
      Effect.gen(function* () {
        const circuit = yield* open;
        circuit.begin(0, 5);
        yield* aSecond;
        circuit.send(0, 0, link());
      }),
  },
  {
    what: "LINK on a leg",
    violation: "second-link",
    play: ({ leg }) => Effect.map(leg(), (circuit) => circuit.send(0, 0, link())),
  },
  {
    what: "LINK with a number that no set reaches",
    violation: "number-overflow",
    play: ({ open }) => Effect.map(open, (circuit) => circuit.send(0, 0, link({ lastSeqnoSent: 2n ** 63n }))),
  },
  {
    what: "LINK of one who has sent what never came",
    violation: "data-lost",
    play: ({ open }) => Effect.map(open, (circuit) => circuit.send(0, 0, link({ lastSeqnoSent: 1n }))),
  },
  {
    what: "LINK of one who has received what was never sent",
    violation: "received-unsent",
    play: ({ open }) => Effect.map(open, (circuit) => circuit.send(0, 0, link({ lastSeqnoReceived: 1n }))),
  },
  {
    what: "LINK to a set that has ended",
    violation: "reused-nonce",
    play: ({ leg, open }) =>
      Effect.gen(function* () {
        const first = yield* leg();
        first.near.destroy(0);
        yield* aSecond;
        (yield* open).send(0, 0, link());
      }),
  },
  {
    what: "LINK to a set that is full",
    violation: "too-many-legs",
    left: MAX_LEGS,
    play: ({ leg, open }) =>
      Effect.gen(function* () {
        for (let number = 0; number < MAX_LEGS; number++) yield* leg();
        (yield* open).send(0, 0, link());
      }),
  },
  {
    what: "LINK where there are as many sets as there may be",
    violation: "too-many-sets",
    config: { maxSets: () => 2 },
    left: 2,
    play: ({ leg, open }) =>
      Effect.gen(function* () {
        yield* leg(nonceOf(1));
        yield* leg(nonceOf(2));
        (yield* open).send(0, 0, link({ nonce: nonceOf(3) }));
      }),
  },
  {
    what: "LINKED_ACK twice",
    violation: "second-ack",
    play: ({ leg }) => Effect.map(leg(), (circuit) => circuit.send(0, 0, { _tag: "CONFLUX_LINKED_ACK" })),
  },
  {
    what: "no LINKED_ACK",
    violation: "ack-late",
    play: ({ linked }) => Effect.andThen(linked(), TestClock.adjust(LINKED_ACK_TIMEOUT_US / 1000)),
  },
  {
    what: "a stream before LINKED_ACK",
    violation: "stream-before-ack",
    play: ({ linked }) => Effect.map(linked(), (circuit) => circuit.begin(0, 5)),
  },
  {
    what: "SWITCH before LINKED_ACK",
    violation: "switch-before-ack",
    play: ({ linked }) => Effect.map(linked(), (circuit) => skip(circuit, 1)),
  },
  {
    what: "SWITCH that skips nothing",
    violation: "switch-zero",
    play: ({ leg }) =>
      Effect.map(Effect.all([leg(), leg()]), ([circuit]) => {
        circuit.begin(0, 5);
        skip(circuit, 0);
      }),
  },
  {
    what: "SWITCH on the only leg",
    violation: "switch-alone",
    play: ({ leg }) => Effect.map(leg(), (circuit) => skip(circuit, 3)),
  },
  {
    what: "SWITCH further ahead than windows allow",
    violation: "switch-too-far",
    play: ({ leg }) => Effect.map(Effect.all([leg(), leg()]), ([circuit]) => skip(circuit, MAX_CELLS_AHEAD + 1)),
  },
  {
    what: "SWITCHes with no cell between",
    violation: "switch-flood",
    play: ({ leg }) =>
      Effect.map(Effect.all([leg(), leg()]), ([circuit]) => {
        for (let sent = 0; sent <= MAX_IDLE_SWITCHES; sent++) skip(circuit, 1);
      }),
  },
  {
    what: "cells under numbers that others came under",
    violation: "repeated-cells",
    play: ({ leg }) =>
      Effect.gen(function* () {
        const [first, second] = yield* Effect.all([leg(), leg()]);
        data(first, 3);
        yield* aSecond;
        data(second, 1);
      }),
  },
  {
    what: "LINK of one who has received what was never sent, while others are linked",
    violation: "received-unsent",
    play: ({ leg, open }) =>
      Effect.gen(function* () {
        yield* leg();
        (yield* open).send(0, 0, link({ lastSeqnoReceived: 1n }));
      }),
  },
  {
    what: "SWITCH that is cut short",
    left: 1,
    violation: "malformed",
    play: ({ leg }) =>
      Effect.map(Effect.all([leg(), leg()]), ([circuit]) =>
        circuit.sendBody(0, 0, RelayCommand.CONFLUX_SWITCH, Buffer.alloc(2)),
      ),
  },
];

describe("an exit ends what breaks the rules of conflux, and says why:", () => {
  for (const { what, violation, config, left = 0, play } of CASES)
    it.effect(what, () =>
      onStage(
        (stage) =>
          Effect.gen(function* () {
            yield* play(stage);
            yield* aSecond;
            assert.deepStrictEqual(new Set(faults(stage.lab)), new Set([violationTable[violation].what]));
            assert.lengthOf(stage.lab.relays[0]?.circuits.circuits() ?? [], left);
            if (left === 0) assertNothingLeft(stage.lab);
          }),
        config,
      ),
    );
});

describe("an exit bears with", () => {
  it.effect("LINK of one whose cells are on their way on another leg", () =>
    onStage(({ leg, open, lab }) =>
      Effect.gen(function* () {
        const first = yield* leg();
        const late = yield* open;
        late.send(0, 0, link({ lastSeqnoSent: 3n }));
        yield* aSecond;
        assert.include(late.tags(0), "CONFLUX_LINKED");
        data(first, 3);
        yield* aSecond;
        assert.deepStrictEqual(faults(lab), []);
      }),
    ),
  );

  it.effect("a leg that is slow, as long as none has ended", () =>
    onStage(({ leg, lab }) =>
      Effect.gen(function* () {
        const [slow, second] = yield* Effect.all([leg(), leg()]);
        skip(second, 3);
        data(second, 1);
        yield* TestClock.adjust((10 * LOST_CELLS_TIMEOUT_US) / 1000);
        data(slow, 3);
        yield* aSecond;
        assert.deepStrictEqual(faults(lab), []);
        assert.lengthOf(lab.relays[0]?.circuits.circuits() ?? [], 2);
      }),
    ),
  );
});

describe("an exit ends a set that waits for cells that went with a leg:", () => {
  /** Legs of which the second has cells behind those that the first was to bring, and the first has ended. */
  const withLost = (legs: number, then: (lab: Lab) => Effect.Effect<void>) =>
    onStage(({ leg, lab }) =>
      Effect.gen(function* () {
        const [first, second] = yield* Effect.all(Array.from({ length: legs }, () => leg()));
        skip(second!, 3);
        data(second!, 1);
        yield* aSecond;
        first!.near.destroy(0);
        yield* aSecond;
        yield* then(lab);
        assert.deepStrictEqual(new Set(faults(lab)), new Set([violationTable["cells-lost"].what]));
        assertNothingLeft(lab);
      }),
    );

  it.effect("at once if all others are beyond them", () => withLost(2, () => Effect.void));

  it.effect("after a while if another one might still bring them", () =>
    withLost(3, (lab) => {
      assert.lengthOf(lab.relays[0]?.circuits.circuits() ?? [], 2);
      return TestClock.adjust((2 * LOST_CELLS_TIMEOUT_US) / 1000);
    }),
  );
});
