import { ChannelCommand, RelayCommand } from "@allium/cell";
import { Random } from "../support/fuzz.ts";
import type { Arena } from "./case.ts";
import { createFirst, describeEvent, freshCircId, type HostileCircuit, plainCell } from "./circuit.ts";
import { rawCell, variableCell } from "./link-peer.ts";
import { FORBIDDEN, isServed, openAsClient, openAsRelay, PATIENCE_MS } from "./stage.ts";

/** One of a generated sequence's steps: what is sent, and its description for whoever reads a failure. */
interface Step<Stage> {
  readonly name: string;
  readonly send: (stage: Stage) => void;
}

interface CircuitTarget {
  readonly circuit: HostileCircuit;
  readonly arena: Arena;
}

const BODIES = [0, 1, 5, 20, 100, 498] as const;

/** Commands whose answers do not depend on what Allium does not do (onion services, conflux, padding machines). */
const MESSAGES = [
  RelayCommand.DATA,
  RelayCommand.END,
  RelayCommand.CONNECTED,
  RelayCommand.TRUNCATED,
  RelayCommand.DROP,
  RelayCommand.RESOLVED,
  RelayCommand.EXTENDED2,
  100,
  250,
] as const;

const step = <Stage>(name: string, send: (stage: Stage) => void): Step<Stage> => ({ name, send });

/** What may be sent on a circuit of one hop without ending it. */
const harmless = (random: Random): Step<CircuitTarget> => {
  // Streams are never opened twice: which of two comes first is a matter of time.
  const streamId = 1 + random.below(6);
  switch (random.below(9)) {
    case 0:
      return step(`BEGIN ${streamId} to nobody`, ({ circuit }) => circuit.begin(streamId, `${FORBIDDEN}:80`));
    case 1:
      return step(`BEGIN ${streamId}, malformed`, ({ circuit }) =>
        circuit.sendBody(RelayCommand.BEGIN, streamId, Buffer.from(random.pick(["", "x", "a:b\0", "1.2.3.4:99999\0"]))),
      );
    case 2:
      return step(`RESOLVE ${streamId}`, ({ circuit }) =>
        circuit.sendBody(RelayCommand.RESOLVE, streamId, Buffer.from("1.2.3.in-addr.arpa\0")),
      );
    case 3:
      return step(`DATA ${streamId}`, ({ circuit }) => circuit.sendData(streamId, 1 + random.below(3)));
    case 4:
      return step(`END ${streamId}`, ({ circuit }) =>
        circuit.sendBody(RelayCommand.END, streamId, Buffer.of(1 + random.below(20))),
      );
    case 5: {
      const command = random.pick([RelayCommand.BEGIN, RelayCommand.DATA, RelayCommand.END, RelayCommand.RESOLVE]);
      return step(`${command} without a stream`, ({ circuit }) =>
        circuit.sendBody(command, 0, random.bytes(random.pick(BODIES))),
      );
    }
    case 6:
      return step(`SENDME, XON or XOFF for stream ${streamId}, which is not there`, ({ circuit }) =>
        circuit.sendBody(
          random.pick([RelayCommand.SENDME, RelayCommand.XON, RelayCommand.XOFF]),
          streamId,
          Buffer.alloc(5),
        ),
      );
    case 7: {
      const command = random.pick(MESSAGES);
      const body = command === RelayCommand.END ? 1 : random.pick(BODIES);
      return step(`${command} of ${body} bytes on stream ${streamId}`, ({ circuit }) =>
        circuit.sendBody(command, streamId, random.bytes(body)),
      );
    }
    default:
      return step("DROP", ({ circuit }) => circuit.sendBody(RelayCommand.DROP, 0, random.bytes(random.pick(BODIES))));
  }
};

/** What ends a circuit. */
const fatal = (random: Random): Step<CircuitTarget> =>
  random.pick<Step<CircuitTarget>>([
    step("noise", ({ circuit }) => circuit.peer.sendCell(circuit.circId, ChannelCommand.RELAY, random.bytes(509))),
    step("SENDME", ({ circuit }) =>
      circuit.sendBody(RelayCommand.SENDME, 0, random.bytes(random.pick([0, 1, 3, 23, 30]))),
    ),
    step("EXTEND2", ({ circuit }) => circuit.sendBody(RelayCommand.EXTEND2, 0, Buffer.of(random.below(4), 9, 9), true)),
    step("a length above what fits", ({ circuit }) =>
      circuit.sendPlain(plainCell(random.pick(MESSAGES), 1, Buffer.alloc(0), 499 + random.below(60_000))),
    ),
    step("nine RELAY_EARLY", ({ circuit }) => {
      for (let count = 0; count < 9; count++) circuit.sendBody(RelayCommand.DROP, 0, Buffer.alloc(0), true);
    }),
    step("DESTROY", ({ circuit }) =>
      circuit.peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(random.below(256))),
    ),
  ]);

/** What a generated sequence was, and what came of it. */
export interface Played {
  readonly steps: ReadonlyArray<string>;
  /** By stream, since streams do not wait for each other; then what became of the circuit or the channel. */
  readonly answers: ReadonlyArray<string>;
}

/** Plays the sequence of a seed on a circuit of one hop. The same seed makes the same sequence for everybody. */
export const playCircuit = async (seed: number, arena: Arena): Promise<Played> => {
  const random = new Random(seed);
  const { peer, circuit, neighbour } = await openAsRelay(arena);
  try {
    const names: Array<string> = [];
    const target = { circuit, arena };
    for (let left = 1 + random.below(20); left > 0; left--) {
      const { name, send } = harmless(random);
      names.push(name);
      send(target);
    }
    const served = await isServed(circuit);
    const last = random.oneIn(2) ? fatal(random) : undefined;
    if (last !== undefined) {
      names.push(last.name);
      last.send(target);
    }
    // Nothing answers who has ended the circuit himself.
    const patience = last?.name === "DESTROY" ? 1_000 : PATIENCE_MS;
    const [after, neighbourAfter] = await Promise.all([isServed(circuit, patience), isServed(neighbour)]);
    const answers: Array<string> = [];
    for (const streamId of [0, 1, 2, 3, 4, 5, 6]) {
      const events = circuit.events.filter((event) => event.streamId === streamId).map(describeEvent);
      if (events.length > 0) answers.push(`${streamId}: ${events.join(", ")}`);
    }
    answers.push(`served ${served}, then ${after}, DESTROY ${circuit.destroyed}, neighbour ${neighbourAfter}`);
    return { steps: names, answers };
  } finally {
    peer.destroy();
  }
};

/** Commands of cells that an open channel may be sent, without those that ask for circuits. */
const CELLS = [0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 99, 127, 128, 132, 200, 255] as const;

/** Plays the sequence of a seed on an open channel, as a client: cells of any command, for any circuit, with any body. */
export const playChannel = async (seed: number, arena: Arena): Promise<Played> => {
  const random = new Random(seed);
  const peer = await openAsClient(arena);
  try {
    const neighbour = await createFirst(peer);
    const names: Array<string> = [];
    const stray = [0, 5, 0x7000_0000 + random.below(1_000), 0x9000_0000 + random.below(1_000)];
    peer.cells.length = 0;
    for (let left = 1 + random.below(15); left > 0; left--) {
      const command = random.oneIn(40) ? random.pick([129, 130, 131]) : random.pick(CELLS);
      // TAP's CREATE is answered for every ID of the right half: for an ID of its own each.
      const circId = command === ChannelCommand.CREATE ? freshCircId() : random.pick(stray);
      const body = random.bytes(random.pick([0, 1, 40, 509]));
      names.push(
        `${command} on ${command === ChannelCommand.CREATE ? "a fresh ID" : circId} with ${body.length} bytes`,
      );
      peer.send(command === 7 || command >= 128 ? variableCell(command, body, circId) : rawCell(circId, command, body));
    }
    const served = !peer.closed && (await isServed(neighbour)) && (await isServed(neighbour));
    // What was answered before a channel closed may have been lost with it.
    const answers = peer.closed
      ? ["closed"]
      : [
          ...peer.cells.map(({ command, body }) => `cell ${command}, ${body[0]}`),
          `served ${served}, DESTROY ${neighbour.destroyed}`,
        ];
    return { steps: names, answers };
  } finally {
    peer.destroy();
  }
};
