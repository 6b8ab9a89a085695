import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { readDestination } from "../src/proxy/destination.ts";
import { DestinationError } from "../src/proxy/errors.ts";
import type { ProxyEvent } from "../src/proxy/events.ts";
import { ProxyNegotiation } from "../src/proxy/negotiation.ts";
import { CLIENT_FAILURES } from "../src/proxy/replies.ts";
import { conversation, destinations } from "./conversations.ts";

/** More than a negotiation ever keeps, however much it is given before its end: 8 KiB of HTTP is its largest bound. */
const MOST_BEFORE_END = 8192;

const converse = (random: Random, bytes: Buffer): void => {
  const negotiation = new ProxyNegotiation({ extendedErrors: random.oneIn(2), preferNoAuth: random.oneIn(2) });
  let last: Exclude<ProxyEvent, { readonly _tag: "Reply" }> | undefined;
  let used = 0;
  for (let at = 0; at < bytes.length && last?._tag !== "Request"; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(random.pick([1, 5, 100, 2000])));
    const before = last;
    for (const event of negotiation.receive(bytes.subarray(at, end))) {
      assert.equal(before, undefined, "an event after the last");
      if (event._tag !== "Reply") last = event;
    }
    at = end;
    used = at;
  }
  if (last === undefined) {
    assert.ok(used <= MOST_BEFORE_END, `${used} bytes, and nothing came of them`);
    const error = negotiation.end();
    assert.equal(error?.problem, used === 0 ? undefined : "truncated");
    return;
  }
  if (last._tag === "Rejected") {
    assert.ok(
      last.error.offset >= 0 && last.error.offset <= bytes.length,
      `byte ${last.error.offset} of ${bytes.length}`,
    );
    return;
  }
  if (last._tag === "Answered") return;
  assert.ok(
    bytes
      .subarray(0, used)
      .subarray(used - last.leftover.length)
      .equals(last.leftover),
    "bytes are lost",
  );
  // What is let through is what the next reader takes.
  assert.deepEqual(readDestination(last.destination.address, 0), last.destination);
  if (last.kind === "connect") assert.ok(last.port >= 1 && last.port <= 65_535);
  assert.ok(negotiation.succeeded(last.destination, 80).length > 0);
  assert.ok(negotiation.failed(random.pick([...CLIENT_FAILURES, { end: random.below(256) }])).length > 0);
};

const readText = (text: string): void => {
  try {
    const read = readDestination(text, 0);
    assert.deepEqual(readDestination(read.address, 0), read);
  } catch (error) {
    if (!(error instanceof DestinationError)) throw error;
    assert.ok(error.offset >= 0 && error.offset <= text.length, `byte ${error.offset} of ${text.length}`);
  }
};

/** Everything that an application sends to a proxy port. */
export const targets: ReadonlyArray<FuzzTarget> = [
  { name: "client proxy, conversations", run: (random) => converse(random, conversation(random)) },
  {
    name: "client proxy, noise",
    run: (random) => {
      const head = random.pick([[4], [5], [5, 1, 0], [5, 1, 2, 1], [0x43], []]);
      converse(random, Buffer.concat([Buffer.from(head), random.bytes(random.below(random.pick([10, 600, 9000])))]));
    },
  },
  {
    name: "client proxy, destinations",
    run: (random) => readText(random.mutate(Buffer.from(random.pick(destinations))).toString("latin1")),
  },
];
