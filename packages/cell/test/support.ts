import { assert } from "@effect/vitest";
import type { CellProblem, CellView, RelayMessageView } from "../src/index.ts";
import { CELL_BODY_LEN, CellEncodeError, CellError } from "../src/index.ts";

/** Bytes from hexadecimal text, which may have spaces. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

/** The body of a fixed-length cell: `text` as bytes, then zeros. */
export const padded = (text: string): Buffer => {
  const body = Buffer.alloc(CELL_BODY_LEN);
  hex(text).copy(body);
  return body;
};

/** A cell as a decoder shows it. */
export const cellOf = (command: number, body: Buffer, circId: number): CellView => ({
  circId,
  command,
  bytes: body,
  start: 0,
  end: body.length,
});

/** A relay message as a relay cell reader shows it, amid bytes that are not its own. */
export const messageOf = (command: number, streamId: number, body: Buffer): RelayMessageView => ({
  command,
  streamId,
  bytes: Buffer.concat([Buffer.alloc(11, 0xee), body, Buffer.alloc(20, 0xee)]),
  start: 11,
  end: 11 + body.length,
});

const thrown = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
};

/** Asserts that the bytes are refused, for this reason, in this subject, at this byte of it. */
export const refuses = (action: () => unknown, problem: CellProblem, subject: string, offset: number): void => {
  const error = thrown(action);
  assert.instanceOf(error, CellError);
  assert.deepStrictEqual(
    { _tag: error._tag, problem: error.problem, subject: error.subject, offset: error.offset },
    { _tag: "CellError", problem, subject, offset },
  );
};

/** Asserts that the message has no encoding, for a reason that `detail` matches. */
export const unencodable = (action: () => unknown, subject: string, detail: RegExp): void => {
  const error = thrown(action);
  assert.instanceOf(error, CellEncodeError);
  assert.deepStrictEqual({ _tag: error._tag, subject: error.subject }, { _tag: "CellEncodeError", subject });
  assert.match(error.message, detail);
};
