import { type Destination, ipFromBytes, ipToBytes } from "@allium/cell";
import { checkPort, readDestination } from "./destination.ts";
import { DestinationError, ProxyProtocolError } from "./errors.ts";
import type { ProxyEvent } from "./events.ts";
import { legacyCredentials } from "./isolation.ts";
import { MAX_SOCKS4_REQUEST_BYTES } from "./limits.ts";
import { type ProxyFailure, replyTo, Socks4Reply } from "./replies.ts";
import { connectRequest, resolveRequest } from "./socks-request.ts";
import type { ProxyInput, ProxySpeaker } from "./speaker.ts";

const CONNECT = 0x01;
const RESOLVE = 0xf0;

// VN, CD, DSTPORT and DSTIP; then the user id and a NUL; of SOCKS4a then the name and a NUL.
const COMMAND_AT = 1;
const PORT_AT = 2;
const ADDRESS_AT = 4;
const USER_AT = 8;

const reply = (code: Socks4Reply, address: Buffer = Buffer.alloc(4), port = 0): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes[1] = code;
  bytes.writeUInt16BE(port, 2);
  address.copy(bytes, 4);
  return bytes;
};

/** 0.0.0.x with x other than zero: a name follows (SOCKS4a). */
const announcesName = (address: Buffer): boolean => address.readUInt32BE(0) >>> 8 === 0 && address[3] !== 0;

/** SOCKS4 with its extension 4a (both by Y. Lee, without a number), and Tor's RESOLVE (socks-extensions). */
export class Socks4Speaker implements ProxySpeaker {
  readonly dialect = "socks4";
  #resolving = false;

  next(input: ProxyInput): ProxyEvent | undefined {
    // Only in as many bytes as a request may have, so that the same is found however they come.
    const window = input.bytes.subarray(0, MAX_SOCKS4_REQUEST_BYTES);
    const length = this.#lengthOf(window);
    if (length === undefined) {
      if (window.length < MAX_SOCKS4_REQUEST_BYTES) return undefined;
      throw new ProxyProtocolError(
        "socks4",
        "oversized",
        MAX_SOCKS4_REQUEST_BYTES,
        `the request is longer than ${MAX_SOCKS4_REQUEST_BYTES} bytes`,
      );
    }
    return this.#read(input.take(length), input);
  }

  #lengthOf(window: Buffer): number | undefined {
    if (window.length < USER_AT) return undefined;
    const userEnd = window.indexOf(0, USER_AT);
    if (userEnd < 0) return undefined;
    if (!announcesName(window.subarray(ADDRESS_AT, USER_AT))) return userEnd + 1;
    const nameEnd = window.indexOf(0, userEnd + 1);
    return nameEnd < 0 ? undefined : nameEnd + 1;
  }

  #read(request: Buffer, input: ProxyInput): ProxyEvent {
    const command = request[COMMAND_AT];
    if (command !== CONNECT && command !== RESOLVE)
      throw new ProxyProtocolError("socks4", "command", COMMAND_AT, `command ${command} is not supported`);
    this.#resolving = command === RESOLVE;
    const port = request.readUInt16BE(PORT_AT);
    if (!this.#resolving) checkPort(port, PORT_AT);
    const address = request.subarray(ADDRESS_AT, USER_AT);
    const userEnd = request.indexOf(0, USER_AT);
    const isolation = {
      protocol: "socks4",
      credentials: legacyCredentials(request.toString("latin1", USER_AT, userEnd), ""),
    } as const;
    const given = announcesName(address) ? "name" : "address";
    const destination =
      given === "name"
        ? readDestination(request.toString("latin1", userEnd + 1, request.length - 1), userEnd + 1)
        : nonZero(address);
    const asked = { family: "ipv4-only", isolation, destination } as const;
    return this.#resolving ? resolveRequest(this, input, asked) : connectRequest(input, { ...asked, port, given });
  }

  rejection(error: ProxyProtocolError | DestinationError): Buffer {
    return this.failed(error instanceof DestinationError ? error.failure : "protocol");
  }

  succeeded(answer: Destination | undefined, port: number): Buffer {
    if (answer?.family === 4) return reply(Socks4Reply.GRANTED, ipToBytes(answer.address), port);
    // What was to be resolved has to be in the reply, and nothing else than IPv4 has room there.
    return this.#resolving ? this.failed("no-answer") : reply(Socks4Reply.GRANTED);
  }

  failed(failure: ProxyFailure): Buffer {
    return reply(replyTo(failure).socks4);
  }
}

const nonZero = (address: Buffer): Destination => {
  if (address.readUInt32BE(0) === 0) throw new DestinationError("empty", ADDRESS_AT, "the address is 0.0.0.0");
  return ipFromBytes(address) as Destination;
};
