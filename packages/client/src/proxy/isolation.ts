import { ProxyProtocolError } from "./errors.ts";

/** By which protocol a request came. `tor` can keep streams of different ones apart: `IsolateClientProtocol`. */
export type ProxyProtocol = "socks4" | "socks5" | "http-connect" | "dns";

/** What an application said about which of its streams may share a circuit. */
export interface StreamIsolation {
  readonly protocol: ProxyProtocol;
  /**
   * Two streams may share a circuit only if these are the same, byte for byte: `IsolateSOCKSAuth`. Empty if nothing was said. Made of
   * what the application sent, so not for logs.
   */
  readonly credentials: string;
}

/** One text of several, from which each can be told again: others give another text. Empty if all are. */
const joined = (kind: string, parts: ReadonlyArray<string>): string =>
  parts.every((part) => part === "") ? "" : `${kind} ${parts.map((part) => `${part.length}:${part}`).join("")}`;

/** Of the user id of SOCKS4, or user name and password of SOCKS5 without extended parameters. Equal ones are equal in both. */
export const legacyCredentials = (user: string, password: string): string => joined("socks", [user, password]);

/** Begins a user name that holds parameters of Tor's (proposal 351). */
const EXTENDED = "<torS0X>";

/**
 * What a user name and a password of SOCKS5 say about isolation: proposal 351, socks-extensions "Extended authentication". A user name
 * that begins with `<torS0X>` goes on with one character that tells the format. `0`: nothing more follows, and the password is for
 * isolation. `1`: the rest names an object of an RPC session. All others are to be refused.
 *
 * @param user one character for each byte, as is the password
 * @param offset where the user name begins in what the application sent
 * @throws ProxyProtocolError `credentials` or `rpc`
 */
export const socks5Credentials = (user: string, password: string, offset: number): string => {
  if (!user.startsWith(EXTENDED)) return legacyCredentials(user, password);
  const at = offset + EXTENDED.length;
  const format = user[EXTENDED.length];
  if (format === undefined)
    throw new ProxyProtocolError("socks5", "credentials", at, "extended parameters without a format");
  if (format === "1")
    throw new ProxyProtocolError("socks5", "rpc", at, "an RPC object is named, and there is no RPC here");
  if (format !== "0")
    throw new ProxyProtocolError("socks5", "credentials", at, "extended parameters of an unknown format");
  if (user.length > EXTENDED.length + 1)
    throw new ProxyProtocolError(
      "socks5",
      "credentials",
      at + 1,
      "extended parameters of format 0 have nothing behind it",
    );
  // Said with no password, it is still not what an application says that says nothing.
  return joined("extended", [format, password]);
};

/** User names that say that a password is for isolation, as `tor` and Arti want it. */
const ISOLATION_USERS: ReadonlyArray<string> = ["tor", "tor-iso"];

/** The user name and the password of a Proxy-Authorization of the scheme Basic (RFC 7617); undefined if it is none. */
const readBasic = (value: string): string | undefined => {
  const [, encoded = ""] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value) ?? [];
  const text = Buffer.from(encoded, "base64").toString("latin1");
  return text.includes(":") ? text : undefined;
};

/** Whether a Proxy-Authorization is of the form that proposal 365 asks for. Others isolate as well; `tor` warns of them. */
export const isIsolationAuthorization = (value: string): boolean =>
  ISOLATION_USERS.includes(readBasic(value)?.split(":", 1)[0] ?? "");

/**
 * Of the header fields of an HTTP CONNECT: Proxy-Authorization, X-Tor-Stream-Isolation, and its new name Tor-Stream-Isolation. Each
 * counts, whatever it says; an empty one is as good as none. Proposal 365, and what `tor` does.
 */
export const httpCredentials = (authorization: string, legacy: string, isolation: string): string =>
  joined("http", [readBasic(authorization) ?? authorization, legacy, isolation]);
