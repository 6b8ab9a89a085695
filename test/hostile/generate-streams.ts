import { RelayCommand } from "@allium/cell";
import { Random } from "../support/fuzz.ts";
import type { Arena } from "./case.ts";
import { describeEvent, type HostileCircuit } from "./circuit.ts";
import type { Played } from "./generate.ts";
import { isServed, openAsRelay, PATIENCE_MS } from "./stage.ts";

/** A stream to somebody who sends back all that he gets, as a generated sequence leaves it. */
interface EchoStream {
  readonly streamId: number;
  sent: number;
  /** Ended by the client: what still comes back is a matter of time. */
  ended: boolean;
  /** Told to stop: so is what it had sent by then. */
  held: boolean;
}

const echoed = (circuit: HostileCircuit, { streamId }: EchoStream): number =>
  circuit.events
    .filter((event) => event.streamId === streamId && event.command === RelayCommand.DATA)
    .reduce((sum, { body }) => sum + body.length, 0);

/** So few that no SENDME of the circuit is due. */
const MAX_DATA_CELLS = 25;

/**
 * Plays the sequence of a seed on streams of one circuit, with windows or with congestion control: data, ends, XON and XOFF, and what
 * does not belong there. What comes back must be what was sent, and alike for both.
 */
export const playStreams = async (seed: number, arena: Arena): Promise<Played> => {
  const random = new Random(seed);
  const congestionControl = random.oneIn(2);
  const { peer, circuit, neighbour } = await openAsRelay(arena, { congestionControl });
  try {
    const names: Array<string> = [congestionControl ? "congestion control" : "windows"];
    const streams: Array<EchoStream> = [];
    for (let streamId = 1; streamId <= 1 + random.below(3); streamId++) {
      await circuit.connect(streamId, `127.0.0.1:${arena.services.echo}`);
      streams.push({ streamId, sent: 0, ended: false, held: false });
    }
    let cells = 0;
    for (let left = 1 + random.below(30); left > 0; left--) {
      const stream = random.pick(streams);
      const { streamId } = stream;
      switch (random.below(10)) {
        case 0:
          names.push(`END ${streamId}`);
          circuit.sendBody(RelayCommand.END, streamId, Buffer.of(6));
          stream.ended = true;
          break;
        case 1:
          names.push(`XOFF ${streamId}`);
          circuit.sendBody(RelayCommand.XOFF, streamId, Buffer.of(0));
          if (congestionControl) stream.held = true;
          break;
        case 2:
          names.push(`XON ${streamId}`);
          circuit.sendBody(RelayCommand.XON, streamId, Buffer.alloc(5));
          stream.held = false;
          break;
        case 3: {
          const command = random.pick([RelayCommand.BEGIN, RelayCommand.BEGIN_DIR, RelayCommand.RESOLVE, 200]);
          if (stream.ended) break;
          names.push(`${command} on ${streamId}, which is open`);
          circuit.sendBody(command, streamId, Buffer.from("127.0.0.1:1\0"));
          break;
        }
        case 4:
          names.push(`DATA ${streamId}, empty`);
          circuit.sendBody(RelayCommand.DATA, streamId);
          break;
        default: {
          if (++cells > MAX_DATA_CELLS) break;
          const length = random.pick([1, 17, 498]);
          names.push(`DATA ${streamId}, ${length} bytes`);
          circuit.sendBody(RelayCommand.DATA, streamId, random.bytes(length));
          if (!stream.ended) stream.sent += length;
        }
      }
    }
    const steady = streams.filter(({ ended, held }) => !ended && !held);
    const isOver = ({ streamId }: EchoStream): boolean =>
      circuit.events.some((event) => event.streamId === streamId && event.command === RelayCommand.END);
    const haveAll = (): boolean => steady.every((stream) => echoed(circuit, stream) >= stream.sent || isOver(stream));
    await peer.until(() => haveAll() || circuit.destroyed !== undefined || undefined, PATIENCE_MS);
    const [served, neighbourServed] = await Promise.all([isServed(circuit), isServed(neighbour)]);
    const answers = streams.map((stream) => {
      const events = circuit.events
        .filter(({ streamId, command }) => streamId === stream.streamId && !TRAFFIC.has(command))
        .map(describeEvent);
      const data = steady.includes(stream) ? `${echoed(circuit, stream)} of ${stream.sent} bytes` : "some bytes";
      return `${stream.streamId}: ${events.join(", ")}; ${data}`;
    });
    answers.push(`served ${served}, DESTROY ${circuit.destroyed}, neighbour ${neighbourServed}`);
    return { steps: names, answers };
  } finally {
    peer.destroy();
  }
};

const TRAFFIC: ReadonlySet<number> = new Set([
  RelayCommand.DATA,
  RelayCommand.SENDME,
  RelayCommand.XON,
  RelayCommand.XOFF,
]);
