import { createSocket, type Socket } from "node:dgram";
import { isIP } from "node:net";

/** What a name has: addresses, and for a `…in-addr.arpa` or `…ip6.arpa` name the name it points to. */
export interface NameRecord {
  readonly type: "A" | "AAAA" | "PTR";
  readonly value: string;
  /** Seconds. @default 300 */
  readonly ttl?: number;
}

/** How the server answers for a name that has no records. */
export type NameFailure = "nxdomain" | "servfail" | "silent";

const TYPES: Readonly<Record<NameRecord["type"], number>> = { A: 1, PTR: 12, AAAA: 28 };
const NOERROR = 0;
const SERVFAIL = 2;
const NXDOMAIN = 3;
const QUESTION_AT = 12;

/** The name that a PTR query asks for an address (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export const reverseName = (address: string): string => {
  if (isIP(address) === 4) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const groups = [...left, ...new Array<string>(8 - left.length - right.length).fill("0"), ...right];
  const nibbles = groups.map((group) => group.padStart(4, "0")).join("");
  return `${[...nibbles].reverse().join(".")}.ip6.arpa`;
};

const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

const encodeAddress = (address: string): Buffer => {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const nibbles = reverseName(address).replace(".ip6.arpa", "").split(".").reverse().join("");
  return Buffer.from(nibbles, "hex");
};

/**
 * A DNS server on loopback whose answers a test chooses, so that what an exit resolves does not depend on the machine.
 * `tor` and Allium's relay are pointed to it by the harness. Names that nobody has set do not exist (NXDOMAIN).
 */
export class NameServer implements AsyncDisposable {
  readonly port: number;
  /** How often each `name type` was asked for, to see what is cached. */
  readonly queries = new Map<string, number>();
  private readonly socket: Socket;
  private readonly records = new Map<string, ReadonlyArray<NameRecord> | NameFailure>();

  private constructor(socket: Socket) {
    this.socket = socket;
    this.port = socket.address().port;
    socket.on("message", (query, peer) => {
      const answer = this.answer(query);
      if (answer !== undefined) socket.send(answer, peer.port, peer.address);
    });
  }

  /** Listens on a port of 127.0.0.1: of the system's choice, if none is given. */
  static async start(port = 0): Promise<NameServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ port, address: "127.0.0.1", exclusive: true }, resolve);
    });
    return new NameServer(socket);
  }

  /** Replaces what a name answers. */
  set(name: string, answer: ReadonlyArray<NameRecord> | NameFailure): void {
    this.records.set(name.toLowerCase(), answer);
  }

  /** Sets a name's addresses and the pointers back from them. */
  setHost(name: string, ...addresses: ReadonlyArray<string>): void {
    this.set(
      name,
      addresses.map((value) => ({ type: isIP(value) === 4 ? "A" : "AAAA", value })),
    );
    for (const address of addresses) this.set(reverseName(address), [{ type: "PTR", value: name }]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  private answer(query: Buffer): Buffer | undefined {
    let at = QUESTION_AT;
    const labels: Array<string> = [];
    for (let length = query[at] ?? 0; length !== 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    // The question goes back as it came: its letters' case is the asker's proof that the answer is to this question.
    const question = query.subarray(QUESTION_AT, at + 5);
    if (question.length < 5) return undefined;
    const name = labels.join(".").toLowerCase();
    const type = query.readUInt16BE(at + 1);
    const asked = `${name} ${type}`;
    this.queries.set(asked, (this.queries.get(asked) ?? 0) + 1);

    const known = this.records.get(name) ?? "nxdomain";
    if (known === "silent") return undefined;
    const records = typeof known === "string" ? [] : known.filter((record) => TYPES[record.type] === type);
    const rcode = known === "nxdomain" ? NXDOMAIN : known === "servfail" ? SERVFAIL : NOERROR;
    const header = Buffer.alloc(QUESTION_AT);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | rcode, 2); // Response, authoritative, recursion desired and available.
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    const answers = records.map((record) => {
      const value = record.type === "PTR" ? encodeName(record.value) : encodeAddress(record.value);
      const fixed = Buffer.alloc(12);
      fixed.writeUInt16BE(0xc000 | QUESTION_AT, 0); // The name of the question.
      fixed.writeUInt16BE(TYPES[record.type], 2);
      fixed.writeUInt16BE(1, 4);
      fixed.writeUInt32BE(record.ttl ?? 300, 6);
      fixed.writeUInt16BE(value.length, 10);
      return Buffer.concat([fixed, value]);
    });
    return Buffer.concat([header, question, ...answers]);
  }
}
