import type { ProxyFailure } from "./replies.ts";
import { replyTo } from "./replies.ts";

const PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** The header fields that a request may have and that count. Told to who asks what is provided (http-connect, Tor-Capabilities). */
const CAPABILITIES = "Proxy-Authorization Tor-Family-Preference Tor-Stream-Isolation X-Tor-Stream-Isolation";

const PAGE = [
  "This is a proxy port of a Tor client. It speaks SOCKS4, SOCKS4a, SOCKS5 and HTTP CONNECT.",
  "",
  "It forwards no HTTP requests: what is sent without TLS can be read, and changed, by the exit. If you see this page in a browser,",
  "set this port as the browser's SOCKS5 proxy, and have it resolve names through it; or use https.",
  "",
].join("\n");

/**
 * Answers of the HTTP side (http-connect, proposal 365). They are of HTTP/1.0, as those of `tor`: each ends its connection or begins
 * its tunnel.
 */
export class HttpAnswers {
  readonly #software: string;

  constructor(software = "allium") {
    this.#software = software;
  }

  /** The tunnel is open. There is no body, and there are no fields about one (RFC 9110, 9.3.6). */
  connected(): Buffer {
    return this.#answer(200, [this.#via]);
  }

  /** A tunnel that is not opened: why, for programs in Tor-Request-Failed, for people in the body. */
  failed(failure: ProxyFailure): Buffer {
    const { http, token, words } = replyTo(failure);
    return this.#answer(http, [this.#via, `Tor-Request-Failed: ${token}`], `${words}\n`);
  }

  /** To OPTIONS: what is provided. */
  options(): Buffer {
    return this.#answer(200, [this.#server, ALLOW], "");
  }

  /** To who takes the port for another kind of proxy, or for a server. */
  page(): Buffer {
    return this.#answer(405, [this.#server, ALLOW], PAGE);
  }

  get #via(): string {
    return `Via: tor/1.0 tor-network (${this.#software})`;
  }

  get #server(): string {
    return `Server: tor/1.0 (${this.#software})`;
  }

  #answer(status: number, fields: ReadonlyArray<string>, body?: string): Buffer {
    const ofBody =
      body === undefined
        ? []
        : ["Content-Type: text/plain; charset=utf-8", `Content-Length: ${Buffer.byteLength(body)}`];
    const lines = [`HTTP/1.0 ${status} ${PHRASES[status]}`, `Tor-Capabilities: ${CAPABILITIES}`, ...fields, ...ofBody];
    return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body ?? ""}`);
  }
}

const ALLOW = "Allow: OPTIONS, CONNECT";
