import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { type DnsAnswer, readDnsQuery, writeDnsAnswer, writeDnsFailure } from "../src/proxy/dns.ts";
import { MAX_DNS_MESSAGE_BYTES } from "../src/proxy/limits.ts";
import { destinations } from "./conversations.ts";

const QUERY_HEAD = Buffer.from("123401000001000000000000", "hex");
/** OPT of EDNS(0). */
const OPT = Buffer.from("00002904d0000000000000", "hex");

const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split(".")
      .filter((label) => label !== "")
      .map((label) => Buffer.concat([Buffer.of(label.length & 0x3f), Buffer.from(label.slice(0, 63))])),
    Buffer.of(0),
  ]);

const query = (random: Random): Buffer => {
  const name = random.pick([
    ...destinations,
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "_dmarc.example.com",
  ]);
  const kind = Buffer.of(0, random.pick([1, 28, 12, 15, 255]), 0, random.pick([1, 1, 1, 3]));
  return Buffer.concat([QUERY_HEAD, encodeName(name), kind, random.oneIn(2) ? OPT : Buffer.alloc(0)]);
};

const answer = (random: Random): DnsAnswer => ({
  answer: random.pick([
    { family: 4, address: "192.0.2.1" },
    { family: 6, address: "2001:db8::1" },
    { family: 6, address: "::ffff:192.0.2.1" },
    { family: "name", address: random.pick(destinations) },
    { family: "name", address: random.bytes(random.below(300)).toString("latin1") },
  ] as const),
  ttl: random.pick([0, 60, 1e9, -1, 1.5]),
});

/** A response answers the query, and is one that a datagram can carry. */
const checkResponse = (message: Buffer, response: Buffer): void => {
  assert.ok(response.length >= 12 && response.length <= MAX_DNS_MESSAGE_BYTES, `${response.length} bytes`);
  assert.equal(response.readUInt16BE(0), message.readUInt16BE(0));
  assert.equal((response[2] as number) & 0xf8, 0x80 | ((message[2] as number) & 0x78));
};

/** Messages that come to the DNS port. */
export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "client DNS port, queries",
    run: (random) => {
      const whole = query(random);
      const message = random.pick([() => whole, () => random.mutate(whole), () => random.bytes(random.below(600))])();
      const event = readDnsQuery(message);
      if (event._tag === "Ignored") return;
      if (event._tag === "Answered") {
        assert.ok(event.error.offset <= message.length);
        return checkResponse(message, event.bytes);
      }
      checkResponse(message, writeDnsFailure(event, "no-answer"));
      checkResponse(
        message,
        writeDnsAnswer(
          event,
          Array.from({ length: random.below(60) }, () => answer(random)),
        ),
      );
    },
  },
];
