import { type Destination, type IpAddress, ipFromBytes, ipToBytes, parseIp } from "@allium/cell";
import { checkPort, readDestination } from "./destination.ts";
import { DestinationError, ProxyProtocolError } from "./errors.ts";
import type { ProxyEvent, ProxyOptions } from "./events.ts";
import { socks5Credentials } from "./isolation.ts";
import { type ProxyFailure, plainReply, replyTo, Socks5Reply } from "./replies.ts";
import { connectRequest, resolveRequest } from "./socks-request.ts";
import type { ProxyInput, ProxySpeaker } from "./speaker.ts";

const VERSION = 5;
const AUTH_VERSION = 1;
const AUTH_SUCCEEDED = 0;
const AUTH_FAILED = 1;

/** Ways to authenticate (RFC 1928, section 3). */
const Method = { NONE: 0x00, PASSWORD: 0x02, UNACCEPTABLE: 0xff } as const;

/** What is asked for (RFC 1928, section 4; socks-extensions, "Name lookup"). */
const Command = { CONNECT: 0x01, RESOLVE: 0xf0, RESOLVE_PTR: 0xf1 } as const;

const AddressType = { IPV4: 0x01, NAME: 0x03, IPV6: 0x04 } as const;
const IP_LENGTH: Readonly<Record<number, number>> = { [AddressType.IPV4]: 4, [AddressType.IPV6]: 16 };
const NULL_IP: IpAddress = { family: 4, address: "0.0.0.0" };

// VER, CMD, RSV, ATYP, DST.ADDR and DST.PORT.
const COMMAND_AT = 1;
const RESERVED_AT = 2;
const TYPE_AT = 3;
const ADDRESS_AT = 4;
const PORT_LENGTH = 2;

const encodeAddress = (address: Destination): Buffer => {
  if (address.family === "name") {
    const name = Buffer.from(address.address, "latin1");
    return Buffer.concat([Buffer.of(AddressType.NAME, name.length), name]);
  }
  const type = address.family === 4 ? AddressType.IPV4 : AddressType.IPV6;
  return Buffer.concat([Buffer.of(type), ipToBytes(address.address) as Buffer]);
};

const reply = (code: Socks5Reply, address: Destination = NULL_IP, port = 0): Buffer =>
  Buffer.concat([Buffer.of(VERSION, code, 0), encodeAddress(address), Buffer.of(port >> 8, port & 0xff)]);

/** What is read. A user name and password may come though none was asked for (socks-extensions, "Extent of support"). */
type State = "methods" | "password" | "request";

/** SOCKS5 (RFC 1928) with user names and passwords (RFC 1929), and what Tor adds to it (socks-extensions). */
export class Socks5Speaker implements ProxySpeaker {
  readonly dialect = "socks5";
  readonly #options: ProxyOptions;
  #state: State = "methods";
  #authenticated = false;
  #credentials = "";

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  next(input: ProxyInput): ProxyEvent | undefined {
    const first = input.bytes[0];
    if (first === undefined) return undefined;
    if (this.#state === "methods") return this.#readMethods(input);
    if (this.#state === "request" && first === AUTH_VERSION && !this.#authenticated) this.#state = "password";
    const version = this.#state === "password" ? AUTH_VERSION : VERSION;
    if (first !== version)
      throw new ProxyProtocolError("socks5", "version", input.offset, `version ${first} where ${version} belongs`);
    return this.#state === "password" ? this.#readPassword(input) : this.#readRequest(input);
  }

  /** VER, NMETHODS, METHODS (RFC 1928, section 3). */
  #readMethods(input: ProxyInput): ProxyEvent | undefined {
    const { bytes } = input;
    const count = bytes[1];
    if (count === undefined || bytes.length < 2 + count) return undefined;
    const offered = input.take(2 + count).subarray(2);
    const password = offered.includes(Method.PASSWORD);
    const none = offered.includes(Method.NONE);
    if (!password && !none)
      throw new ProxyProtocolError(
        "socks5",
        "methods",
        1,
        "neither no authentication nor a user name and password is offered",
      );
    const chosen = password && !(none && this.#options.preferNoAuth === true) ? Method.PASSWORD : Method.NONE;
    this.#state = chosen === Method.PASSWORD ? "password" : "request";
    return { _tag: "Reply", bytes: Buffer.of(VERSION, chosen) };
  }

  /** VER, ULEN, UNAME, PLEN, PASSWD (RFC 1929, section 2). Both may be empty, which the RFC does not allow and some send. */
  #readPassword(input: ProxyInput): ProxyEvent | undefined {
    const { bytes, offset } = input;
    const userLength = bytes[1];
    if (userLength === undefined) return undefined;
    const userEnd = 2 + userLength;
    const passwordLength = bytes[userEnd];
    if (passwordLength === undefined || bytes.length < userEnd + 1 + passwordLength) return undefined;
    const message = input.take(userEnd + 1 + passwordLength);
    const user = message.toString("latin1", 2, userEnd);
    this.#credentials = socks5Credentials(user, message.toString("latin1", userEnd + 1), offset + 2);
    this.#authenticated = true;
    this.#state = "request";
    return { _tag: "Reply", bytes: Buffer.of(AUTH_VERSION, AUTH_SUCCEEDED) };
  }

  #readRequest(input: ProxyInput): ProxyEvent | undefined {
    const { bytes, offset } = input;
    const type = bytes[TYPE_AT];
    if (type === undefined) return undefined;
    const ipLength = IP_LENGTH[type];
    if (ipLength === undefined && type !== AddressType.NAME)
      throw new ProxyProtocolError("socks5", "address-type", offset + TYPE_AT, `address type ${type} is not known`);
    const nameLength = bytes[ADDRESS_AT];
    if (nameLength === undefined) return undefined;
    const addressAt = ipLength === undefined ? ADDRESS_AT + 1 : ADDRESS_AT;
    const portAt = addressAt + (ipLength ?? nameLength);
    if (bytes.length < portAt + PORT_LENGTH) return undefined;
    const request = input.take(portAt + PORT_LENGTH);
    const reserved = request[RESERVED_AT];
    if (reserved !== 0)
      throw new ProxyProtocolError("socks5", "reserved", offset + RESERVED_AT, `${reserved} where zero belongs`);
    const address = request.subarray(addressAt, portAt);
    const isolation = { protocol: "socks5", credentials: this.#credentials } as const;
    const command = request[COMMAND_AT];
    if (command === Command.RESOLVE_PTR) {
      const destination =
        ipLength === undefined ? literal(address, offset + addressAt) : (ipFromBytes(address) as IpAddress);
      return { _tag: "Request", kind: "resolvePtr", family: "any", isolation, destination, leftover: input.take() };
    }
    if (command !== Command.CONNECT && command !== Command.RESOLVE)
      throw new ProxyProtocolError("socks5", "command", offset + COMMAND_AT, `command ${command} is not supported`);
    const destination =
      ipLength === undefined
        ? readDestination(address.toString("latin1"), offset + addressAt)
        : (ipFromBytes(address) as IpAddress);
    const asked = { family: "any", isolation, destination } as const;
    if (command === Command.RESOLVE) return resolveRequest(this, input, asked);
    const port = checkPort(request.readUInt16BE(portAt), offset + portAt);
    return connectRequest(input, { ...asked, port, given: ipLength === undefined ? "name" : "address" });
  }

  rejection(error: ProxyProtocolError | DestinationError): Buffer {
    // RFC 1928, section 3, and RFC 1929, section 2: the other side closes after these.
    if (this.#state === "methods") return Buffer.of(VERSION, Method.UNACCEPTABLE);
    if (this.#state === "password") return Buffer.of(AUTH_VERSION, AUTH_FAILED);
    if (error instanceof DestinationError) return this.failed(error.failure);
    if (error.problem === "command") return this.failed("command");
    return this.failed(
      error.problem === "address-type" || error.problem === "not-an-address" ? "address-type" : "protocol",
    );
  }

  succeeded(answer: Destination | undefined, port: number): Buffer {
    // The name that an exit gave an address. What has no room in a reply is no name either.
    if (answer?.family === "name" && answer.address.length > 255) return this.failed("no-answer");
    return reply(Socks5Reply.SUCCEEDED, answer, port);
  }

  failed(failure: ProxyFailure): Buffer {
    const { socks5 } = replyTo(failure);
    return reply(this.#options.extendedErrors === false ? plainReply(socks5) : socks5);
  }
}

/** The address that was given in place of a name. */
const literal = (bytes: Buffer, offset: number): IpAddress => {
  const ip = parseIp(bytes.toString("latin1"));
  if (ip === undefined)
    throw new ProxyProtocolError("socks5", "not-an-address", offset, "only addresses are looked up so");
  return ip;
};
