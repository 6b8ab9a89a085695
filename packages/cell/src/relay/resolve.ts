import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import type { IpAddress } from "../ip.ts";
import { ipLength } from "../ip.ts";
import { parseDestination } from "./destination.ts";
import type { Resolve, Resolved, ResolvedAnswer } from "./message.ts";

/** Types of answers. tor-spec 6.4. */
const AnswerType = { HOSTNAME: 0x00, IPV4: 0x04, IPV6: 0x06, ERROR_TRANSIENT: 0xf0, ERROR: 0xf1 } as const;

export const readResolve = (reader: ByteReader): Resolve => {
  const query = parseDestination(reader.text("name", true));
  if (query === undefined) return reader.fail("destination", "neither an address nor a name", reader.offset);
  return { _tag: "RESOLVE", query };
};

export const writeResolve = (message: Resolve, out: ByteWriter): void => {
  const { family, address } = message.query;
  const query = parseDestination(address);
  if (query === undefined || query.family !== family) out.fail(`"${address}" is no query of family ${family}`);
  else out.raw(Buffer.from(query.address, "latin1")).u8(0, "NUL");
};

const readAddress = (reader: ByteReader, length: number, family: 4 | 6): IpAddress => {
  if (length !== ipLength(family)) reader.fail("length", `an IPv${family} address of ${length} bytes`, 1);
  return reader.ip(family, "address");
};

const readAnswer = (reader: ByteReader): ResolvedAnswer => {
  const type = reader.u8("type");
  const length = reader.u8("length");
  switch (type) {
    case AnswerType.IPV4:
      return { _tag: "ADDRESS", address: readAddress(reader, length, 4), ttl: reader.u32("TTL") };
    case AnswerType.IPV6:
      return { _tag: "ADDRESS", address: readAddress(reader, length, 6), ttl: reader.u32("TTL") };
    case AnswerType.HOSTNAME: {
      if (length === 0) reader.fail("length", "an empty host name", 1);
      return { _tag: "HOSTNAME", name: reader.take(length, "name").toString("latin1"), ttl: reader.u32("TTL") };
    }
    case AnswerType.ERROR_TRANSIENT:
    case AnswerType.ERROR:
      reader.take(length, "error");
      return { _tag: "ERROR", transient: type === AnswerType.ERROR_TRANSIENT, ttl: reader.u32("TTL") };
    default:
      return { _tag: "UNKNOWN", type, value: reader.take(length, "value"), ttl: reader.u32("TTL") };
  }
};

export const readResolved = (reader: ByteReader): Resolved => {
  const answers: Array<ResolvedAnswer> = [];
  while (reader.remaining > 0) answers.push(readAnswer(reader));
  return { _tag: "RESOLVED", answers };
};

const writeAnswer = (answer: ResolvedAnswer, out: ByteWriter): void => {
  switch (answer._tag) {
    case "ADDRESS":
      // The type bytes of addresses are the family numbers.
      out.u8(answer.address.family, "type").u8(ipLength(answer.address.family), "length").ip(answer.address);
      break;
    case "HOSTNAME": {
      const name = Buffer.from(answer.name, "latin1");
      if (name.length === 0) out.fail("an empty host name");
      out.u8(AnswerType.HOSTNAME, "type").u8(name.length, "length").raw(name);
      break;
    }
    case "ERROR":
      // Receivers must ignore what an error says, so it says nothing.
      out.u8(answer.transient ? AnswerType.ERROR_TRANSIENT : AnswerType.ERROR, "type").u8(0, "length");
      break;
    case "UNKNOWN":
      out.u8(answer.type, "type").u8(answer.value.length, "length").raw(answer.value);
  }
  out.u32(answer.ttl, "TTL");
};

export const writeResolved = (message: Resolved, out: ByteWriter): void => {
  if (message.answers.length > 1 && message.answers.some((answer) => answer._tag === "ERROR")) {
    out.fail("an error must be the only answer");
  }
  // Old clients look at the first answer alone, and know no IPv6: an IPv4 answer must come first. tor-spec 6.4.
  const first = message.answers.find((answer) => answer._tag === "ADDRESS" && answer.address.family === 4);
  if (first !== undefined) writeAnswer(first, out);
  for (const answer of message.answers) if (answer !== first) writeAnswer(answer, out);
};
