import { ChannelCommand, RelayCommand } from "@allium/cell";
import type { ReceivedCell } from "../link-peer.ts";
import type { Playback } from "./play.ts";
import type { PlayedCircuit } from "./played-circuit.ts";
import type { RecordedCell, RecordedMessage, RecordedStep } from "./recording.ts";

/** What does not come, and does not come nearer for so long, is not waited for any more. */
const PATIENCE_MS = 8_000;

/** How often it is looked. */
const EVERY_MS = 5;

/** Something that the relay has answered when it was recorded. */
interface Expected {
  /** How much of it: messages or cells, for DATA bytes. */
  need: number;
  readonly count: () => number;
  /** The rest will never come. */
  readonly isOver: () => boolean;
  /** It did not come in time: nobody waits for it again, unless there is more to wait for. */
  givenUp: boolean;
}

/** Whether anybody need wait for it: what says how much may be sent comes as each relay likes. */
const isAwaited = (step: RecordedMessage): boolean =>
  step.message !== "XON" && step.message !== "XOFF" && (step.message !== "SENDME" || step.stream === undefined);

/** Cells that the next relay got for a circuit. */
export const cellsAtNext = ({ far }: PlayedCircuit): ReadonlyArray<ReceivedCell> =>
  far === undefined ? [] : far.peer.cells.filter(({ circId }) => circId === far.circId);

/** What was answered up to some step of a recording, and whether as much has been answered now. */
export class Expectations {
  private readonly playback: Playback;
  private readonly expected = new Map<string, Expected>();
  /** Since when nothing has come on circuits. */
  private readonly idle = new Map<PlayedCircuit, { readonly events: number; readonly since: number }>();

  constructor(playback: Playback) {
    this.playback = playback;
  }

  /** The relay has answered this when it was recorded. */
  add(step: RecordedStep): void {
    if ("closes" in step || ("message" in step && !isAwaited(step))) return;
    const name = "cell" in step ? step.cell : step.message;
    const stream = "message" in step ? (step.stream ?? 0) : -1;
    const toNext = "cell" in step && step.to === "next";
    // The next relay does its handshake by itself.
    if (toNext && step.circuit === undefined) return;
    const key = `${toNext} ${step.circuit ?? 0} ${stream} ${name}`;
    const more = "message" in step && step.message === "DATA" ? (step.bytes ?? 0) : 1;
    const known = this.expected.get(key);
    if (known === undefined) {
      const { count, isOver } = "cell" in step ? this.ofCell(step, toNext) : this.ofMessage(step);
      this.expected.set(key, { need: more, count, isOver, givenUp: false });
    } else {
      known.need += more;
      known.givenUp = false;
    }
  }

  /** Waits until everything has come, or what has not come is given up. */
  async met(): Promise<void> {
    for (const expected of this.expected.values()) {
      if (expected.givenUp) continue;
      let seen = expected.count();
      let deadline = performance.now() + PATIENCE_MS;
      while (seen < expected.need) {
        if (performance.now() > deadline || expected.isOver()) {
          expected.givenUp = true;
          break;
        }
        await this.look();
        const now = expected.count();
        if (now !== seen) deadline = performance.now() + PATIENCE_MS;
        seen = now;
      }
    }
  }

  /**
   * Waits until something holds that messages on a circuit bring about. It gives up when none has come for `PATIENCE_MS`, or none can
   * come: what was answered is compared, and tells.
   */
  async until(holds: () => boolean, played: PlayedCircuit): Promise<void> {
    const { circuit } = played;
    while (!holds() && circuit.destroyed === undefined && !circuit.peer.closed && played.hasStreams) {
      const { idle } = this;
      if (idle.get(played)?.events !== circuit.events.length) {
        idle.set(played, { events: circuit.events.length, since: performance.now() });
      } else if (performance.now() > (idle.get(played)?.since ?? 0) + PATIENCE_MS) return;
      await this.look();
    }
  }

  /** Lets things come, and answers what is answered by itself. */
  private async look(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    this.playback.sendDue();
  }

  private ofCell(step: RecordedCell, toNext: boolean): Pick<Expected, "count" | "isOver"> {
    const { playback } = this;
    const { peer, next } = playback;
    const command = ChannelCommand[step.cell];
    if (step.circuit === undefined) {
      return {
        count: () => peer.heard.filter((cell) => cell.command === command).length,
        isOver: () => peer.closed,
      };
    }
    const played = playback.circuitOf(step);
    const { circuit } = played;
    if (toNext && command === ChannelCommand.CREATE2) {
      return {
        count: () => {
          played.far ??= next.takeAsked();
          return played.far === undefined ? 0 : 1;
        },
        isOver: () => circuit.destroyed !== undefined || peer.closed,
      };
    }
    if (toNext) {
      return {
        count: () => cellsAtNext(played).filter((cell) => cell.command === command).length,
        isOver: () => played.far?.peer.closed !== false,
      };
    }
    const isOver = (): boolean => circuit.destroyed !== undefined || peer.closed;
    switch (command) {
      case ChannelCommand.DESTROY:
        return { count: () => (circuit.destroyed === undefined ? 0 : 1), isOver: () => peer.closed };
      case ChannelCommand.RELAY:
        return { count: () => played.cameBack.length, isOver };
      default:
        return { count: () => (circuit.created === undefined ? 0 : 1), isOver };
    }
  }

  private ofMessage(step: RecordedMessage): Pick<Expected, "count" | "isOver"> {
    const { playback } = this;
    const played = playback.circuitOf(step);
    const { circuit } = played;
    const { stream = 0 } = step;
    const command = RelayCommand[step.message];
    const ended = (): boolean =>
      circuit.destroyed !== undefined ||
      playback.peer.closed ||
      (stream !== 0 && played.events.some((event) => event.streamId === stream && event.command === RelayCommand.END));
    if (command === RelayCommand.DATA) return { count: () => played.dataOf(stream).length, isOver: ended };
    return {
      count: () => played.events.filter((event) => event.command === command && event.streamId === stream).length,
      isOver: ended,
    };
  }
}
