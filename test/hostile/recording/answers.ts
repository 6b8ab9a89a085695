import { createHash } from "node:crypto";
import { ChannelCommand, channelCommandName, destroyReasonName, RelayCommand } from "@allium/cell";
import { describeEvent, type RelayEvent } from "../circuit.ts";
import type { ReceivedCell } from "../link-peer.ts";
import { cellsAtNext } from "./expectations.ts";
import { describeHttp } from "./http-answer.ts";
import type { Playback } from "./play.ts";
import type { PlayedCircuit } from "./played-circuit.ts";

// The one place where answers are made comparable. What is left out, and why:
//   - how data is cut into cells, and therefore XON, XOFF and the SENDMEs of streams: each relay sends what it has when it has it;
//   - padding: it comes when it comes;
//   - the time to live in CONNECTED, RESOLVED and END: `tor` adds a random number of seconds to it;
//   - what had come on a stream beyond what is recorded when the client ended it: that is a matter of time.

const nameOf = (command: number): string => channelCommandName(command) ?? `command ${command}`;

const reasonOf = (reason: number): string => destroyReasonName(reason) ?? String(reason);

/** The same again and again, with its number. */
const runs = (texts: ReadonlyArray<string>): string => {
  const out: Array<{ text: string; times: number }> = [];
  for (const text of texts) {
    const last = out.at(-1);
    if (last?.text === text) last.times += 1;
    else out.push({ text, times: 1 });
  }
  return out.map(({ text, times }) => (times === 1 ? text : `${times} × ${text}`)).join(", ");
};

const PADDINGS: ReadonlySet<number> = new Set([ChannelCommand.PADDING, ChannelCommand.VPADDING]);

/** The cells of a channel itself. VERSIONS tells what is offered; all else in them is the sender's. */
const describeLink = (cells: ReadonlyArray<ReceivedCell>): string =>
  runs(
    cells
      .filter(({ circId, command }) => circId === 0 && !PADDINGS.has(command))
      .map(({ command, body }) =>
        command === ChannelCommand.VERSIONS ? `VERSIONS ${body.toString("hex")}` : nameOf(command),
      ),
  );

const TRAFFIC: ReadonlySet<number> = new Set([
  RelayCommand.DATA,
  RelayCommand.SENDME,
  RelayCommand.XON,
  RelayCommand.XOFF,
]);

const IPV4 = 4;

/** A message with the addresses that it tells, without how long they are good for. */
const describeMessage = (event: RelayEvent): string => {
  const { command, body } = event;
  const name = describeEvent(event);
  switch (command) {
    case RelayCommand.CONNECTED:
      return body.length < IPV4 ? name : `${name} ${body.subarray(0, IPV4).toString("hex")}`;
    case RelayCommand.END:
      return body.length < 1 + IPV4 ? name : `${name} ${body.subarray(1, 1 + IPV4).toString("hex")}`;
    case RelayCommand.RESOLVED: {
      const answers: Array<string> = [];
      for (let at = 0; at + 2 <= body.length; at += 6 + (body[at + 1] ?? 0)) {
        const value = body.subarray(at + 2, at + 2 + (body[at + 1] ?? 0));
        answers.push(`${body[at]} ${value.toString("hex")}`);
      }
      return `${name} ${answers.join(" ")}`;
    }
    default:
      return name;
  }
};

/** What is recorded of a stream. */
interface RecordedStream {
  readonly isDirectory: boolean;
  /** Bytes of the relay, if the client ended the stream before the relay did. */
  readonly enough: number | undefined;
}

const recordedStreams = ({ recording }: Playback, circuit: number): ReadonlyMap<number, RecordedStream> => {
  const streams = new Map<number, { isDirectory: boolean; bytes: number; endedBy: string | undefined }>();
  for (const step of recording.steps) {
    if (!("message" in step) || step.circuit !== circuit || step.stream === undefined) continue;
    const stream = streams.get(step.stream) ?? { isDirectory: false, bytes: 0, endedBy: undefined };
    streams.set(step.stream, stream);
    if (step.message === "BEGIN_DIR") stream.isDirectory = true;
    if (step.message === "END") stream.endedBy ??= step.from;
    stream.bytes += step.bytes ?? 0;
  }
  return new Map(
    [...streams].map(([streamId, { isDirectory, bytes, endedBy }]) => [
      streamId,
      { isDirectory, enough: endedBy === "relay" ? undefined : bytes },
    ]),
  );
};

const describeStream = (played: PlayedCircuit, streamId: number, stream: RecordedStream): string => {
  const parts = played.events
    .filter((event) => event.streamId === streamId && !TRAFFIC.has(event.command))
    .map(describeMessage);
  if (played.held.has(streamId)) parts.push("held until XON");
  const data = played.dataOf(streamId).subarray(0, stream.enough);
  if (stream.isDirectory) parts.push(describeHttp(data));
  else if (data.length > 0) {
    parts.push(`${data.length} bytes ${createHash("sha256").update(data).digest("hex").slice(0, 16)}`);
  }
  return parts.join(", ");
};

/** SENDMEs of the circuit must answer the DATA cells that they are due for. */
const describeSendmes = (played: PlayedCircuit): ReadonlyArray<string> => {
  const sendmes = played.events.filter(({ command, streamId }) => command === RelayCommand.SENDME && streamId === 0);
  if (sendmes.length === 0) return [];
  const right = sendmes.every(({ body }, index) => {
    const tag = played.sentTags[(index + 1) * played.increment - 1];
    return tag !== undefined && body.subarray(3, 23).equals(tag);
  });
  return [`${sendmes.length} SENDMEs ${right ? "of the right cells" : "of wrong cells"}`];
};

const sameAs = (came: ReadonlyArray<Buffer>, sent: ReadonlyArray<Buffer>): string =>
  came.length === sent.length && came.every((cell, index) => cell.equals(sent[index] ?? Buffer.alloc(0)))
    ? "as they were sent"
    : `not the ${sent.length} that were sent`;

/** What the client's end of a circuit has seen of the relay, without its streams. */
const describeCircuit = (played: PlayedCircuit, served: boolean | undefined): string => {
  const { circuit, cameBack, created2 } = played;
  const parts: Array<string> = [];
  if (circuit.created !== undefined) parts.push(`created ${played.describeAgreed()}`.trimEnd());
  for (const event of played.events) {
    if (event.streamId !== 0 || TRAFFIC.has(event.command)) continue;
    const passed = event.command === RelayCommand.EXTENDED2 && created2 !== undefined;
    const intact = passed && created2.subarray(0, event.body.length).equals(event.body) ? " as it was sent" : "";
    parts.push(`${describeEvent(event)}${intact}`);
  }
  parts.push(...describeSendmes(played));
  if (cameBack.length > 0) parts.push(`${cameBack.length} cells from behind, ${sameAs(cameBack, played.sentBack)}`);
  if (circuit.early > 0) parts.push("RELAY_EARLY");
  if (circuit.destroyed !== undefined) parts.push(`DESTROY ${reasonOf(circuit.destroyed)}`);
  else if (served !== undefined) parts.push(served ? "served" : "not served any more");
  return parts.join(", ");
};

const RELAYS: ReadonlySet<number> = new Set([ChannelCommand.RELAY, ChannelCommand.RELAY_EARLY]);

/** What the next relay has seen of a circuit. */
const describeFar = (played: PlayedCircuit): string => {
  const { far, extend } = played;
  if (far === undefined) return "nothing";
  const handshake = far.body.subarray(0, 4 + far.body.readUInt16BE(2));
  const intact = extend?.subarray(extend.length - handshake.length).equals(handshake) === true ? " as it was sent" : "";
  const cells = cellsAtNext(played);
  const relayed = cells.filter(({ command }) => RELAYS.has(command)).map(({ body }) => body);
  const seen = cells.map(({ command, body }) =>
    command === ChannelCommand.DESTROY ? `DESTROY ${reasonOf(body[0] ?? 0)}` : nameOf(command),
  );
  const parts = [`CREATE2${intact}`, ...(seen.length > 0 ? [runs(seen)] : [])];
  if (relayed.length > 0) parts.push(sameAs(relayed, played.sentOn));
  return parts.join(", ");
};

/** All that a relay answered to a recording, line by line. Streams are numbered as they began. */
export const describePlayed = (playback: Playback): ReadonlyArray<string> => {
  const { peer, next, circuits, served, neighbourServed } = playback;
  const lines = [`link: ${describeLink(peer.heard)}`];
  for (const [number, played] of circuits) {
    let count = 0;
    for (const [streamId, stream] of recordedStreams(playback, number)) {
      lines.push(`circuit ${number}, stream ${++count}: ${describeStream(played, streamId, stream)}`);
    }
    lines.push(`circuit ${number}: ${describeCircuit(played, served.get(played))}`);
    if (played.extend !== undefined) lines.push(`circuit ${number}, to the next relay: ${describeFar(played)}`);
  }
  for (const channel of next.channels) lines.push(`link to the next relay: ${describeLink(channel.heard)}`);
  lines.push(`neighbour ${neighbourServed ? "served" : "not served"}`);
  return lines;
};
