import { type Destination, parseIp } from "@allium/cell";
import { HeadReader, HttpError, type HttpHead, shorten } from "@allium/directory";
import { checkPort, readDestination } from "./destination.ts";
import { DestinationError, type ProxyProblem, ProxyProtocolError } from "./errors.ts";
import type { FamilyPreference, ProxyEvent, ProxyOptions } from "./events.ts";
import { HttpAnswers } from "./http-answers.ts";
import { httpCredentials, isIsolationAuthorization } from "./isolation.ts";
import { MAX_PROXY_HEAD_BYTES, MAX_PROXY_HEAD_FIELDS } from "./limits.ts";
import type { ClientFailure, ProxyFailure } from "./replies.ts";
import type { ProxyInput, ProxySpeaker } from "./speaker.ts";

/** RFC 9112, section 3: method, target, version. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP\/([0-9])\.[0-9]$/;
/** RFC 9112, 3.2.3: a host, in brackets if it is an IPv6 address, and a port. */
const AUTHORITY = /^(\[[^\]]*\]|[^:[\]]*):([0-9]{1,5})$/;
/** RFC 9112, 3.2.2: only who knows that this is a proxy asks so. */
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\//i;
const CONNECT = "CONNECT ";
const FAMILIES: ReadonlyArray<string> = ["ipv4-only", "ipv6-only", "ipv4-preferred", "ipv6-preferred"];

const fail = (problem: ProxyProblem, offset: number, detail: string): never => {
  throw new ProxyProtocolError("http", problem, offset, detail);
};

/** Whether a Host names this very computer (RFC 9110, 7.2). */
const isLocal = (host: string): boolean => {
  const [, name = ""] = /^(\[[^\]]*\]|[^:]*)(?::[0-9]*)?$/.exec(host) ?? [];
  if (name.toLowerCase() === "localhost") return true;
  const ip = parseIp(name.startsWith("[") ? name.slice(1, -1) : name);
  return ip !== undefined && (ip.address === "::1" || (ip.family === 4 && ip.address.startsWith("127.")));
};

/** The value of a field that may come once; empty if it does not come. */
const only = ({ headers, repeated }: HttpHead, name: string): string => {
  const again = repeated.get(name);
  if (again !== undefined) fail("header", again, `more than one field ${name}`);
  return headers.get(name) ?? "";
};

/** Refuses fields that tell of a body. */
const checkNoBody = (head: HttpHead, telling: ReadonlyArray<string>): void => {
  if (!/^0*$/.test(only(head, "content-length")))
    fail("body", offsetOf(head, "content-length"), "there can be no body");
  for (const name of telling) if (head.headers.has(name)) fail("body", offsetOf(head, name), "there can be no body");
};

const offsetOf = ({ offsets }: HttpHead, name: string): number => offsets.get(name) ?? 0;

/** CONNECT and OPTIONS of HTTP/1.x (RFC 9110, 9.3.6 and 9.3.7; RFC 9112), and what Tor adds to it (http-connect; proposal 365). */
export class HttpConnectSpeaker implements ProxySpeaker {
  readonly dialect = "http";
  readonly #answers: HttpAnswers;
  readonly #reader = new HeadReader(MAX_PROXY_HEAD_BYTES, MAX_PROXY_HEAD_FIELDS);
  /** The first bytes, as many as tell whether it is a CONNECT. */
  #start = "";

  constructor({ software }: ProxyOptions) {
    this.#answers = new HttpAnswers(software);
  }

  next(input: ProxyInput): ProxyEvent | undefined {
    if (input.bytes.length === 0) return undefined;
    this.#start += input.bytes.toString("latin1", 0, CONNECT.length - this.#start.length);
    const head = this.#readHead(input.take());
    if (head === undefined) return undefined;
    const [, method = "", target = "", major = ""] = REQUEST_LINE.exec(head.startLine) ?? [];
    if (method === "") fail("malformed", 0, `"${shorten(head.startLine)}" is no request`);
    if (major !== "1") fail("http-version", head.startLine.length - 3, `version ${major} of HTTP is not supported`);
    return method === "CONNECT" ? this.#connect(head, target) : this.#other(head, method, target);
  }

  #readHead(bytes: Buffer): HttpHead | undefined {
    try {
      return this.#reader.push(bytes);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return fail(error.problem === "too-large" ? "oversized" : "malformed", error.offset, error.message);
    }
  }

  #connect(head: HttpHead, target: string): ProxyEvent {
    const at = CONNECT.length;
    const [, host, port] = AUTHORITY.exec(target) ?? [];
    if (host === undefined) throw new DestinationError("port", at, `"${shorten(target)}" is no host and port`);
    const destination = readDestination(host, at);
    checkPort(Number(port), at + host.length + 1);
    checkNoBody(head, ["transfer-encoding"]);
    if (head.headers.has("tor-rpc-target"))
      fail("rpc", offsetOf(head, "tor-rpc-target"), "an RPC object is named, and there is no RPC here");
    const authorization = only(head, "proxy-authorization");
    const credentials = httpCredentials(
      authorization,
      only(head, "x-tor-stream-isolation"),
      only(head, "tor-stream-isolation"),
    );
    return {
      _tag: "Request",
      kind: "connect",
      destination,
      port: Number(port),
      given: destination.family === "name" ? "name" : "address",
      obsoleteAuthorization: authorization !== "" && !isIsolationAuthorization(authorization),
      family: familyPreference(head),
      isolation: { protocol: "http-connect", credentials },
      leftover: head.rest,
    };
  }

  /**
   * Any other method. A web page can make a browser ask this port, under a name of its own that leads here: it must not learn from an
   * answer what listens. It cannot make the browser send a CONNECT, nor ask as one asks a proxy, and it cannot choose the Host.
   */
  #other(head: HttpHead, method: string, target: string): ProxyEvent {
    const host = only(head, "host");
    if (!ABSOLUTE_FORM.test(target) && host !== "" && !isLocal(host))
      fail("foreign-host", offsetOf(head, "host"), `${method} for the server "${shorten(host)}"`);
    if (method !== "OPTIONS" || !(target === "*" || AUTHORITY.test(target)))
      fail("method", 0, `${method} is not supported: this is a tunnel`);
    checkNoBody(head, ["transfer-encoding", "content-type"]);
    return { _tag: "Answered", bytes: this.#answers.options() };
  }

  rejection(error: ProxyProtocolError | DestinationError): Buffer {
    if (error instanceof DestinationError) return this.failed(error.failure);
    if (error.problem === "method") return this.#answers.page();
    // Before the Host is known to be a good one only a CONNECT gets an answer.
    if (this.#start !== CONNECT && error.problem !== "body") return Buffer.alloc(0);
    return this.failed(failureOf(error.problem));
  }

  succeeded(_answer: Destination | undefined, _port: number): Buffer {
    return this.#answers.connected();
  }

  failed(failure: ProxyFailure): Buffer {
    return this.#answers.failed(failure);
  }
}

const failureOf = (problem: ProxyProblem): ClientFailure => {
  if (problem === "oversized" || problem === "rpc") return problem;
  return problem === "http-version" ? "version" : "protocol";
};

const familyPreference = (head: HttpHead): FamilyPreference => {
  const name = "tor-family-preference";
  const value = only(head, name);
  if (value === "") return "any";
  if (!FAMILIES.includes(value))
    fail("header", offsetOf(head, name), `"${shorten(value)}" is no preference for a family of addresses`);
  return value as FamilyPreference;
};
