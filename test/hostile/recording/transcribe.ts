import { ChannelCommand, channelCommandName, HandshakeType, RelayCommand, relayCommandName } from "@allium/cell";
import { type MomentSpan, renderBody } from "./body.ts";
import { RecordingError } from "./error.ts";
import type { RecordedCell, RecordedMessage, RecordedStep } from "./recording.ts";
import type { TappedCell, TappedEnd, TappedLink } from "./tap.ts";

/** A circuit of somebody who connected to the relay, with the one to which the relay extended it. */
export interface TappedCircuits {
  readonly create: TappedCell;
  /** What the relay could read of it, from the client. */
  readonly messages: ReadonlyArray<TappedCell>;
}

/** What passed a tap. */
export type TapEvent = TappedCell | TappedEnd;

const isCell = (event: TapEvent): event is TappedCell => event.direction !== "end";

const CREATES: ReadonlySet<number> = new Set([
  ChannelCommand.CREATE,
  ChannelCommand.CREATE2,
  ChannelCommand.CREATE_FAST,
]);

const sameCircuit = (one: TappedCell, other: TappedCell): boolean =>
  one.link === other.link && one.circId === other.circId;

/** All circuits that somebody has asked the relay for. */
export const circuitsOf = (events: ReadonlyArray<TapEvent>): ReadonlyArray<TappedCircuits> => {
  const cells = events.filter(isCell);
  return cells
    .filter(({ direction, command }) => direction === "in" && CREATES.has(command))
    .map((create) => ({
      create,
      messages: cells.filter(
        (cell) => cell.direction === "in" && cell.message !== undefined && sameCircuit(cell, create),
      ),
    }));
};

/** The handshake in an EXTEND2, which goes on in a CREATE2 as it is. */
const handshakeOf = (extend2: Buffer): Buffer => {
  let at = 1;
  for (let left = extend2[0] ?? 0; left > 0; left--) at += 2 + (extend2[at + 1] ?? 0);
  return extend2.subarray(at, at + 4 + extend2.readUInt16BE(at + 2));
};

/** The CREATE2 by which the relay extended a circuit. */
const extensionOf = (events: ReadonlyArray<TapEvent>, { messages }: TappedCircuits): TappedCell | undefined => {
  const extend = messages.find(({ message }) => message?.command === RelayCommand.EXTEND2)?.message;
  if (extend === undefined) return undefined;
  const wanted = handshakeOf(extend.body);
  return events
    .filter(isCell)
    .find(
      ({ direction, command, body }) =>
        direction === "out" && command === ChannelCommand.CREATE2 && body.subarray(0, wanted.length).equals(wanted),
    );
};

/** What of a text is of one moment: `text` wherever it stands becomes the moment. */
export interface MomentText {
  readonly text: string;
  readonly moment: string;
}

const spansOf = (bytes: Buffer, texts: ReadonlyArray<MomentText>): ReadonlyArray<MomentSpan> => {
  const spans: Array<MomentSpan> = [];
  for (const { text, moment } of texts) {
    for (let at = bytes.indexOf(text, 0, "latin1"); at >= 0; at = bytes.indexOf(text, at + 1, "latin1")) {
      const end = at + text.length;
      if (!spans.some((span) => at < span.end && span.start < end)) spans.push({ start: at, end, moment });
    }
  }
  return spans.sort((one, other) => one.start - other.start);
};

/** A fixed-length cell's body without the zeros that fill it up. */
const unfilled = (body: Buffer): Buffer => {
  let end = body.length;
  while (end > 0 && body[end - 1] === 0) end--;
  return body.subarray(0, end);
};

const random = (length: number): string => `{random ${length}}`;

/** The body of a cell from the peer, or from the next relay. */
const cellBody = ({ command, body, extensions }: TappedCell): string => {
  switch (command) {
    case ChannelCommand.CERTS: {
      const types: Array<number> = [];
      for (let at = 1; at + 3 <= body.length; at += 3 + body.readUInt16BE(at + 1)) types.push(body[at] ?? 0);
      return `{certs ${types.join(" ")}}`;
    }
    case ChannelCommand.AUTH_CHALLENGE:
      return renderBody(body, [{ start: 0, end: 32, moment: "random 32" }]);
    case ChannelCommand.AUTHENTICATE:
      return "{authenticate}";
    case ChannelCommand.NETINFO: {
      const spans = body.readUInt32BE(0) === 0 ? [] : [{ start: 0, end: 4, moment: "time" }];
      return renderBody(unfilled(body), spans);
    }
    case ChannelCommand.CREATE_FAST:
      return random(20);
    case ChannelCommand.CREATE2:
      if (body.readUInt16BE(0) === HandshakeType.NTOR) return "{ntor}";
      if (extensions === undefined) throw new RecordingError("CREATE2", "whose keys are not known");
      return `{ntor-v3 ${extensions.toString("hex")}}`;
    case ChannelCommand.CREATED2:
      return `${body.subarray(0, 2).toString("hex")} ${random(body.readUInt16BE(0))}`;
    case ChannelCommand.RELAY:
    case ChannelCommand.RELAY_EARLY:
      return random(body.length);
    default: {
      const content = unfilled(body);
      return content.length > 64 ? random(body.length) : renderBody(content);
    }
  }
};

/** The body of a message from the peer. */
const messageBody = (command: number, body: Buffer, texts: ReadonlyArray<MomentText>): string => {
  switch (command) {
    case RelayCommand.SENDME:
      return body.length < 23 ? renderBody(body) : renderBody(body, [{ start: 3, end: 23, moment: "tag" }]);
    case RelayCommand.DROP:
      return body.length === 0 ? "" : random(body.length);
    case RelayCommand.EXTEND2: {
      const spans: Array<MomentSpan> = [];
      let at = 1;
      for (let left = body[0] ?? 0; left > 0; left--) {
        const [type = 0, length = 0] = body.subarray(at, at + 2);
        const moment = ["next address", "next address6", "next rsa", "next ed25519"][type];
        if (moment !== undefined) spans.push({ start: at + 2, end: at + 2 + length, moment });
        at += 2 + length;
      }
      const length = body.readUInt16BE(at + 2);
      spans.push({ start: at + 4, end: at + 4 + length, moment: `random ${length}` });
      return renderBody(body, spans);
    }
    default:
      return renderBody(body, spansOf(body, texts));
  }
};

/** What the relay sent is told by its name, and by its reason. */
const TELLING: ReadonlySet<string> = new Set(["END", "DESTROY", "TRUNCATED"]);

const nameOf = <Name extends string>(name: Name | undefined, command: number): Name => {
  if (name === undefined) throw new RecordingError("the tap", `a command that nobody knows: ${command}`);
  return name;
};

const asMessage = (
  from: RecordedStep["from"],
  circuit: number,
  cell: TappedCell,
  message: NonNullable<TappedCell["message"]>,
  texts: ReadonlyArray<MomentText>,
): RecordedMessage => {
  const { command, streamId, body } = message;
  const name = nameOf(relayCommandName(command), command);
  const text =
    from === "peer" ? messageBody(command, body, texts) : TELLING.has(name) ? renderBody(body.subarray(0, 1)) : "";
  return {
    from,
    message: name,
    circuit,
    ...(streamId === 0 ? {} : { stream: streamId }),
    ...(cell.command === ChannelCommand.RELAY_EARLY ? { early: true } : {}),
    ...(text === "" ? {} : { body: text }),
    ...(from === "relay" && name === "DATA" ? { times: 1, bytes: body.length } : {}),
  };
};

const asCell = (
  from: RecordedStep["from"],
  to: "next" | undefined,
  circuit: number,
  cell: TappedCell,
): RecordedCell => {
  const name = nameOf(channelCommandName(cell.command), cell.command);
  const text = from !== "relay" ? cellBody(cell) : TELLING.has(name) ? renderBody(cell.body.subarray(0, 1)) : "";
  return {
    from,
    ...(to === undefined ? {} : { to }),
    cell: name,
    ...(circuit === 0 ? {} : { circuit }),
    ...(text === "" ? {} : { body: text }),
  };
};

/** Padding of the relay says nothing, and comes when it comes. */
const PADDINGS: ReadonlySet<number> = new Set([ChannelCommand.PADDING, ChannelCommand.VPADDING]);

/** DATA of the relay, cut into cells as it may be, is one step. */
const joined = (steps: ReadonlyArray<RecordedStep>): ReadonlyArray<RecordedStep> => {
  const out: Array<RecordedStep> = [];
  for (const step of steps) {
    const last = out.at(-1);
    if (
      "message" in step &&
      step.times !== undefined &&
      last !== undefined &&
      "message" in last &&
      last.times !== undefined &&
      last.circuit === step.circuit &&
      last.stream === step.stream
    ) {
      out[out.length - 1] = {
        ...last,
        times: last.times + step.times,
        bytes: (last.bytes ?? 0) + (step.bytes ?? 0),
      };
    } else {
      out.push(step);
    }
  }
  return out;
};

/**
 * Writes down what passed the tap of some circuits, with the handshakes of their links. All of them must be on one link, and be
 * extended over one at most.
 *
 * @throws RecordingError
 */
export const transcribe = (
  events: ReadonlyArray<TapEvent>,
  circuits: ReadonlyArray<TappedCircuits>,
  texts: ReadonlyArray<MomentText>,
): ReadonlyArray<RecordedStep> => {
  const near = circuits[0]?.create.link;
  if (near === undefined) throw new RecordingError("the tap", "nothing to be recorded has passed");
  const extensions = circuits.map((circuit) => extensionOf(events, circuit));
  let next: TappedLink | undefined;
  for (const extension of extensions) next ??= extension?.link;
  if (next?.accepted === true) throw new RecordingError("the tap", "the next relay had connected by itself");
  const begins = circuits.map(({ create }, index) => ({ number: index + 1, create, at: events.indexOf(create) }));
  extensions.forEach((create, index) => {
    if (create !== undefined) begins.push({ number: index + 1, create, at: events.indexOf(create) });
  });
  /** The number of a cell's circuit; 0 if it is of no interest: IDs are used again. */
  const numberOf = (cell: TappedCell, at: number): number =>
    begins.find((begin) => sameCircuit(begin.create, cell) && begin.at <= at)?.number ?? 0;
  const steps: Array<RecordedStep> = [];
  for (const [at, event] of events.entries()) {
    const { link } = event;
    if (link !== near && link !== next) continue;
    const sender = link === near ? "peer" : "next";
    if (!isCell(event)) {
      steps.push({ from: sender, closes: true });
      continue;
    }
    const circuit = numberOf(event, at);
    if (circuit === 0 && event.circId !== 0) continue;
    const from = event.direction === "in" ? sender : "relay";
    if (from === "relay" && PADDINGS.has(event.command)) continue;
    if (event.message !== undefined) steps.push(asMessage(from, circuit, event, event.message, texts));
    else steps.push(asCell(from, from === "relay" && link === next ? "next" : undefined, circuit, event));
  }
  return joined(steps);
};
