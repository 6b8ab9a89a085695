import { RecordingError } from "./error.ts";

/**
 * A part of a body: bytes as they were, so many times; or what was of one moment (a nonce, a port, a tag) and is made anew
 * whenever the recording is played, by its name and what else must be known for it.
 */
export type BodyPart =
  | { readonly _tag: "Bytes"; readonly bytes: Buffer; readonly times: number }
  | { readonly _tag: "Moment"; readonly name: string; readonly args: ReadonlyArray<string> };

/** Makes what is of one moment. */
export type MomentMaker = (name: string, args: ReadonlyArray<string>) => Buffer;

/** Where something of one moment lies in bytes that were recorded, and its name with what belongs to it. */
export interface MomentSpan {
  readonly start: number;
  readonly end: number;
  readonly moment: string;
}

/** Longer than any body in a cell, or than all of a directory request. */
const MAX_TIMES = 0x1_0000;

const PART = /'([^']*)'(?:\*(\d+))?|((?:[0-9a-f]{2})+)(?:\*(\d+))?|\{([a-z][a-z0-9-]*(?: [A-Za-z0-9+/=-]+)*)\}/y;

/**
 * Reads the notation of recordings: parts with blanks between them. `0a1b` are bytes in hex and `'text'` in ASCII, `00*430` and
 * `'a'*430` the same ones so many times, `{port origin}` is something that is made anew.
 *
 * @throws RecordingError
 */
export const parseBody = (text: string, where: string): ReadonlyArray<BodyPart> => {
  const parts: Array<BodyPart> = [];
  for (let at = 0; at < text.length; ) {
    if (at > 0) {
      if (text[at] !== " ") throw new RecordingError(where, `no blank at ${at} of ${JSON.stringify(text)}`);
      at += 1;
    }
    PART.lastIndex = at;
    const found = PART.exec(text);
    if (found === null) throw new RecordingError(where, `not understood at ${at} of ${JSON.stringify(text)}`);
    const [whole, ascii, asciiTimes, hex, hexTimes, moment] = found;
    at += whole.length;
    if (moment !== undefined) {
      const [name = "", ...args] = moment.split(" ");
      parts.push({ _tag: "Moment", name, args });
      continue;
    }
    const times = Number(asciiTimes ?? hexTimes ?? 1);
    const bytes = ascii === undefined ? Buffer.from(hex ?? "", "hex") : Buffer.from(ascii, "latin1");
    if (times * bytes.length > MAX_TIMES) throw new RecordingError(where, `${times} times ${bytes.length} bytes`);
    parts.push({ _tag: "Bytes", bytes, times });
  }
  return parts;
};

/** The bytes of a body. @throws whatever `make` does */
export const fillBody = (parts: ReadonlyArray<BodyPart>, make: MomentMaker): Buffer =>
  Buffer.concat(
    parts.flatMap((part) =>
      part._tag === "Moment" ? [make(part.name, part.args)] : new Array<Buffer>(part.times).fill(part.bytes),
    ),
  );

/** From so many of one byte on their number is written. */
const SHORTEST_RUN = 8;

/** From so many on, printable bytes are written as text. */
const SHORTEST_TEXT = 3;

const isText = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x20 && byte <= 0x7e && byte !== 0x27;

/** The end of those from `start` on that are as the first is. */
const endOf = (bytes: Buffer, start: number, alike: (byte: number | undefined) => boolean): number => {
  let end = start + 1;
  while (end < bytes.length && alike(bytes[end])) end++;
  return end;
};

/** Writes bytes without anything of one moment in them. */
const renderBytes = (bytes: Buffer): ReadonlyArray<string> => {
  const parts: Array<string> = [];
  let hex = "";
  const part = (text: string): void => {
    if (hex !== "") parts.push(hex);
    hex = "";
    parts.push(text);
  };
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0;
    const one = bytes.subarray(at, at + 1);
    const run = endOf(bytes, at, (other) => other === byte);
    let end = run;
    if (run - at >= SHORTEST_RUN)
      part(`${isText(byte) ? `'${one.toString("latin1")}'` : one.toString("hex")}*${run - at}`);
    else if (isText(byte)) {
      end = endOf(bytes, at, isText);
      // What is there many times has its own turn.
      for (let next = at + 1; next < end; next++) {
        const again = endOf(bytes, next, (other) => other === bytes[next]);
        if (again - next >= SHORTEST_RUN) end = next;
      }
      if (end - at >= SHORTEST_TEXT) part(`'${bytes.toString("latin1", at, end)}'`);
      else hex += bytes.toString("hex", at, end);
    } else hex += bytes.toString("hex", at, end);
    at = end;
  }
  if (hex !== "") parts.push(hex);
  return parts;
};

/** Writes bytes in the notation that {@link parseBody} reads; `spans`, in their order, are written as what is of one moment. */
export const renderBody = (bytes: Buffer, spans: ReadonlyArray<MomentSpan> = []): string => {
  const parts: Array<string> = [];
  let at = 0;
  for (const { start, end, moment } of spans) {
    parts.push(...renderBytes(bytes.subarray(at, start)), `{${moment}}`);
    at = end;
  }
  return [...parts, ...renderBytes(bytes.subarray(at))].join(" ");
};
