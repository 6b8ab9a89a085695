import { addressOfReverseName, type Destination, type HostName, type IpAddress } from "@allium/cell";
import { type Answer, decode, encode, type Question, TRUNCATED_RESPONSE } from "dns-packet";
import { readDestination } from "./destination.ts";
import { DestinationError, type ProxyProblem, ProxyProtocolError } from "./errors.ts";
import type { FamilyPreference } from "./events.ts";
import type { StreamIsolation } from "./isolation.ts";
import { MAX_DNS_ANSWER_TTL, MAX_DNS_MESSAGE_BYTES, MIN_DNS_ANSWER_TTL } from "./limits.ts";
import { DnsRcode, type ProxyFailure, replyTo } from "./replies.ts";

// RFC 1035, 4.1.1: ID, flags, and the numbers of questions, answers, authorities and additional records.
const FLAGS_AT = 2;
const QUESTIONS_AT = 4;
const ANSWERS_AT = 6;
const HEADER_BYTES = 12;
/** Behind the name of a question: its type and its class. */
const TYPE_FROM_END = 4;
const CLASS_FROM_END = 2;

const QR = 0x8000;
const OPCODE = 0x7800;
const RD = 0x0100;
const RA = 0x0080;

type AnsweredType = "A" | "AAAA" | "PTR";

/** What a name server is asked for, when it is asked for something that a circuit can find out. */
export interface DnsQuery {
  readonly _tag: "Query";
  readonly kind: "resolve" | "resolvePtr";
  /** The name to be resolved; for `resolvePtr` the address whose name is looked for. */
  readonly destination: HostName | IpAddress;
  /** Of which kind the addresses have to be. */
  readonly family: FamilyPreference;
  readonly isolation: StreamIsolation;
  /** The header of the query and its question, as they came. */
  readonly asked: Buffer;
  readonly question: Question & { readonly type: AnsweredType };
}

/** What is to be done about a message. */
export type DnsEvent =
  /** Look it up, and send what `writeDnsAnswer` or `writeDnsFailure` make of it. */
  | DnsQuery
  /** Send this. */
  | { readonly _tag: "Answered"; readonly error: ProxyProtocolError | DestinationError; readonly bytes: Buffer }
  /** Send nothing: it is no question, and whoever answers answers can be made to talk to himself. */
  | { readonly _tag: "Ignored"; readonly error: ProxyProtocolError };

/** One answer to a query. */
export interface DnsAnswer {
  readonly answer: Destination;
  /** Seconds. */
  readonly ttl: number;
}

const FAMILY: Readonly<Record<AnsweredType, FamilyPreference>> = { A: "ipv4-only", AAAA: "ipv6-only", PTR: "any" };

/** Of the 16 bits of flags those of a response that are not an answer's own. */
const responseFlags = (message: Buffer): number => (message.readUInt16BE(FLAGS_AT) & (OPCODE | RD)) | RA;

/** A response without records. @param asked a header, and the question if it is to be in the response */
const empty = (asked: Buffer, rcode: DnsRcode): Buffer => {
  const bytes = Buffer.from(asked);
  bytes.writeUInt16BE(QR | responseFlags(asked) | rcode, FLAGS_AT);
  bytes.fill(0, QUESTIONS_AT, HEADER_BYTES);
  bytes.writeUInt16BE(asked.length > HEADER_BYTES ? 1 : 0, QUESTIONS_AT);
  return bytes;
};

const refused = (asked: Buffer, rcode: DnsRcode, problem: ProxyProblem, offset: number, detail: string): DnsEvent => ({
  _tag: "Answered",
  error: new ProxyProtocolError("dns", problem, offset, detail),
  bytes: empty(asked, rcode),
});

const ignored = (problem: ProxyProblem, offset: number, detail: string): DnsEvent => ({
  _tag: "Ignored",
  error: new ProxyProtocolError("dns", problem, offset, detail),
});

/** The one question, and what came up to its end; undefined if it cannot be read. */
const readQuestion = (message: Buffer): { readonly question: Question; readonly asked: Buffer } | undefined => {
  const alone = Buffer.from(message);
  // What else there may be is not looked at: EDNS (RFC 6891) asks for nothing that has to be given.
  alone.fill(0, ANSWERS_AT, HEADER_BYTES);
  try {
    const [question] = decode(alone).questions ?? [];
    return question && { question, asked: message.subarray(0, decode.bytes) };
  } catch {
    // The library throws errors of many kinds, for whatever it cannot read.
    return undefined;
  }
};

/**
 * Whether the name is written as it was read. It is not if it came by a pointer, which in a first question can only lead into the
 * header; nor if a label has a dot in it, or bytes that are no text: the name would be another.
 */
const isPlain = (question: Question, asked: Buffer): boolean => {
  const again = encode({ questions: [question] });
  const nameEnd = asked.length - TYPE_FROM_END;
  return (
    again.length === asked.length && again.subarray(HEADER_BYTES, nameEnd).equals(asked.subarray(HEADER_BYTES, nameEnd))
  );
};

const isAnswered = (question: Question): question is Question & { readonly type: AnsweredType } =>
  question.type === "A" || question.type === "AAAA" || question.type === "PTR";

/**
 * Reads a message that came to the DNS port (RFC 1035; RFC 9619: one question, neither none nor more). Answered are questions of
 * class IN for A, AAAA and PTR, as by `tor`; all others get NOTIMP.
 */
export const readDnsQuery = (message: Buffer): DnsEvent => {
  if (message.length < HEADER_BYTES) return ignored("truncated", message.length, "shorter than a header");
  const flags = message.readUInt16BE(FLAGS_AT);
  if ((flags & QR) !== 0) return ignored("response", FLAGS_AT, "an answer, not a question");
  const header = message.subarray(0, HEADER_BYTES);
  if (message.length > MAX_DNS_MESSAGE_BYTES)
    return refused(
      header,
      DnsRcode.FORMERR,
      "oversized",
      MAX_DNS_MESSAGE_BYTES,
      `longer than ${MAX_DNS_MESSAGE_BYTES} bytes`,
    );
  if ((flags & OPCODE) !== 0) return refused(header, DnsRcode.NOTIMP, "opcode", FLAGS_AT, "no standard query");
  const count = message.readUInt16BE(QUESTIONS_AT);
  if (count !== 1)
    return refused(header, DnsRcode.FORMERR, "question-count", QUESTIONS_AT, `${count} questions where one belongs`);
  const read = readQuestion(message);
  if (read === undefined || !isPlain(read.question, read.asked))
    return refused(header, DnsRcode.FORMERR, "malformed", HEADER_BYTES, "the question cannot be read");
  const { question, asked } = read;
  const end = asked.length;
  if (question.class !== "IN")
    return refused(asked, DnsRcode.NOTIMP, "class", end - CLASS_FROM_END, `class ${question.class} is not answered`);
  if (!isAnswered(question))
    return refused(asked, DnsRcode.NOTIMP, "record-type", end - TYPE_FROM_END, `type ${question.type} is not answered`);
  try {
    return {
      _tag: "Query",
      kind: question.type === "PTR" ? "resolvePtr" : "resolve",
      destination: destinationOf(question),
      family: FAMILY[question.type],
      isolation: { protocol: "dns", credentials: "" },
      asked,
      question,
    };
  } catch (error) {
    if (!(error instanceof DestinationError || error instanceof ProxyProtocolError)) throw error;
    const { dns } = replyTo(error instanceof DestinationError ? error.failure : "destination");
    return { _tag: "Answered", error, bytes: empty(asked, dns) };
  }
};

/** What is looked up. The first label of a question's name begins one byte behind the header. */
const destinationOf = ({ type, name }: Question): HostName | IpAddress => {
  const at = HEADER_BYTES + 1;
  if (type !== "PTR") {
    const destination = readDestination(name === "." ? "" : name, at);
    if (destination.family === "name") return destination;
    throw new DestinationError("numeric", at, "an address where a name belongs");
  }
  const ip = addressOfReverseName(name);
  if (ip === undefined)
    throw new ProxyProtocolError("dns", "not-an-address", at, "no address is looked up by this name");
  return ip;
};

/** The record of an answer; undefined if it is none that was asked for. */
const recordOf = ({ question: { type, name } }: DnsQuery, { answer, ttl }: DnsAnswer): Answer | undefined => {
  const kept = Math.min(Math.max(Math.trunc(ttl), MIN_DNS_ANSWER_TTL), MAX_DNS_ANSWER_TTL);
  const base = { name, class: "IN", ttl: kept, data: answer.address } as const;
  if (type === "A") return answer.family === 4 ? { ...base, type } : undefined;
  if (type === "AAAA") return answer.family === 6 ? { ...base, type } : undefined;
  return answer.family === "name" && isName(answer.address) ? { ...base, type: "PTR" } : undefined;
};

/** Whether DNS can carry it: an exit may tell anything. */
const isName = (text: string): boolean => {
  try {
    return readDestination(text, 0).family === "name";
  } catch (error) {
    if (error instanceof DestinationError) return false;
    throw error;
  }
};

/**
 * The response to a query, with as many answers as have room in 512 bytes, in the order in which they are given. What was not asked for
 * is left out: a name has no address of the other family, as far as who asked is concerned. Names keep the case in which they were
 * asked, by which some tell true answers from forged ones. If there are answers, and no room for one, the response says that it is
 * cut (TC).
 */
export const writeDnsAnswer = (query: DnsQuery, answers: ReadonlyArray<DnsAnswer>): Buffer => {
  const records = answers.flatMap((answer) => recordOf(query, answer) ?? []);
  let room = MAX_DNS_MESSAGE_BYTES - query.asked.length;
  const fitting = records.filter((record) => {
    const length = encode({ answers: [record] }).length - HEADER_BYTES;
    if (length > room) return false;
    room -= length;
    return true;
  });
  const cut = records.length > 0 && fitting.length === 0 ? TRUNCATED_RESPONSE : 0;
  return encode({
    type: "response",
    id: query.asked.readUInt16BE(0),
    flags: responseFlags(query.asked) | cut,
    questions: [query.question],
    answers: fitting,
  });
};

/** The response to a query that came to nothing. */
export const writeDnsFailure = (query: DnsQuery, failure: ProxyFailure): Buffer =>
  empty(query.asked, replyTo(failure).dns);
