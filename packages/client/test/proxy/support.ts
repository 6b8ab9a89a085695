import { assert } from "@effect/vitest";
import type { Random } from "../../../../test/support/fuzz.ts";
import type { DestinationProblem, ProxyProblem } from "../../src/proxy/errors.ts";
import type { ConnectRequest, ProxyEvent, ProxyOptions, ProxyRequest } from "../../src/proxy/events.ts";
import { ProxyNegotiation } from "../../src/proxy/negotiation.ts";

/** Bytes as they are written in tables: pairs of hexadecimal digits, spaces between them where they help. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

export const ascii = (text: string): Buffer => Buffer.from(text, "latin1");

/** Bytes cut into pieces at random places. */
export const pieces = (random: Random, bytes: Buffer): ReadonlyArray<Buffer> => {
  const out: Array<Buffer> = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(random.pick([1, 3, 20, 300])));
    out.push(bytes.subarray(at, end));
    at = end;
  }
  return out;
};

/** What came of a conversation. */
export interface Outcome {
  /** What was written before its end. */
  readonly replies: string;
  /** The last event, without the bytes for the destination. */
  readonly last: unknown;
  /** The bytes for the destination. */
  readonly rest: string;
}

/** Has a conversation: an application that sends all this, whatever it is told. */
export const converse = (chunks: ReadonlyArray<Buffer>, options: ProxyOptions = {}): Outcome => {
  const negotiation = new ProxyNegotiation(options);
  const replies: Array<Buffer> = [];
  let last: ProxyEvent | undefined;
  const rest: Array<Buffer> = [];
  for (const chunk of chunks) {
    if (last?._tag === "Request") {
      rest.push(chunk);
      continue;
    }
    for (const event of negotiation.receive(chunk)) {
      assert.isUndefined(last, "an event after the last");
      if (event._tag === "Reply") replies.push(event.bytes);
      else last = event;
      if (event._tag === "Request") rest.push(event.leftover);
    }
  }
  const told = last ?? { _tag: "Pending", end: negotiation.end() };
  const { leftover: _, ...shown } = { leftover: undefined, ...told };
  return { replies: Buffer.concat(replies).toString("hex"), last: shown, rest: Buffer.concat(rest).toString("latin1") };
};

/** The request that messages, one after the other, lead to, and the negotiation that has it. */
export const request = (
  messages: ReadonlyArray<Buffer>,
  options: ProxyOptions = {},
): { readonly negotiation: ProxyNegotiation; readonly asked: ProxyRequest } => {
  const negotiation = new ProxyNegotiation(options);
  const events = messages.flatMap((message) => negotiation.receive(message));
  const asked = events.at(-1);
  if (asked?._tag !== "Request") assert.fail(`no request, but ${asked?._tag ?? "nothing"}`);
  return { negotiation, asked };
};

/** The same, of a request for a stream. */
export const connectRequest = (messages: ReadonlyArray<Buffer>, options: ProxyOptions = {}): ConnectRequest => {
  const { asked } = request(messages, options);
  if (asked.kind !== "connect") assert.fail(asked.kind);
  return asked;
};

/** Asserts that messages are refused: why, at which byte, and with which reply. */
export const assertRejected = (
  messages: ReadonlyArray<Buffer>,
  problem: ProxyProblem | DestinationProblem,
  offset: number,
  bytes?: Buffer,
): void => {
  const negotiation = new ProxyNegotiation();
  const last = messages.flatMap((message) => negotiation.receive(message)).at(-1);
  if (last?._tag !== "Rejected") assert.fail(`not rejected, but ${last?._tag ?? "nothing"}`);
  assert.deepStrictEqual([last.error.problem, last.error.offset], [problem, offset], last.error.message);
  if (bytes !== undefined) assert.strictEqual(last.bytes.toString("hex"), bytes.toString("hex"));
  assert.deepStrictEqual(negotiation.receive(Buffer.from("more")), [], "what follows is ignored");
};
