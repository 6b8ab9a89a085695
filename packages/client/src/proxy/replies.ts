import { type EndReason, endReasonName } from "@allium/cell";

/** REP of a SOCKS5 reply (RFC 1928, section 6), and Tor's extended codes (proposal 304; `ExtendedErrors` of tor(1)). */
export const Socks5Reply = {
  SUCCEEDED: 0x00,
  GENERAL_FAILURE: 0x01,
  NOT_ALLOWED: 0x02,
  NETWORK_UNREACHABLE: 0x03,
  HOST_UNREACHABLE: 0x04,
  CONNECTION_REFUSED: 0x05,
  TTL_EXPIRED: 0x06,
  COMMAND_NOT_SUPPORTED: 0x07,
  ADDRESS_TYPE_NOT_SUPPORTED: 0x08,
  ONION_DESCRIPTOR_NOT_FOUND: 0xf0,
  ONION_DESCRIPTOR_INVALID: 0xf1,
  ONION_INTRODUCTION_FAILED: 0xf2,
  ONION_RENDEZVOUS_FAILED: 0xf3,
  ONION_CLIENT_AUTH_MISSING: 0xf4,
  ONION_CLIENT_AUTH_WRONG: 0xf5,
  ONION_ADDRESS_INVALID: 0xf6,
  ONION_INTRODUCTION_TIMED_OUT: 0xf7,
} as const;

/** @see Socks5Reply */
export type Socks5Reply = (typeof Socks5Reply)[keyof typeof Socks5Reply];

/** The least of the extended codes. */
const FIRST_EXTENDED = 0xf0;

/** CD of a SOCKS4 reply. The two others tell of identd, which nobody asks here. */
export const Socks4Reply = { GRANTED: 0x5a, REJECTED: 0x5b } as const;

/** @see Socks4Reply */
export type Socks4Reply = (typeof Socks4Reply)[keyof typeof Socks4Reply];

/** RCODE of a DNS response (RFC 1035, 4.1.1), those that are given here. */
export const DnsRcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

/** @see DnsRcode */
export type DnsRcode = (typeof DnsRcode)[keyof typeof DnsRcode];

/** Why a request fails on this side, or before an exit had a say. */
export type ClientFailure = keyof typeof clientFailures;

/** Why a request fails: the reason of the exit's END, whatever number it is (tor-spec 6.3), or one of our own. */
export type ProxyFailure = { readonly end: number } | ClientFailure;

/** How a failure is told in each protocol. */
export interface FailureReply {
  readonly socks4: Socks4Reply;
  readonly socks5: Socks5Reply;
  /** Status of HTTP. */
  readonly http: number;
  readonly dns: DnsRcode;
  /** For Tor-Request-Failed: who gives the reason, and the reason. Proposal 365. */
  readonly token: string;
  /** For people. */
  readonly words: string;
}

type Row = readonly [socks5: Socks5Reply, http: number, words: string];

const {
  GENERAL_FAILURE,
  NOT_ALLOWED,
  NETWORK_UNREACHABLE,
  HOST_UNREACHABLE,
  CONNECTION_REFUSED,
  TTL_EXPIRED,
  COMMAND_NOT_SUPPORTED,
  ADDRESS_TYPE_NOT_SUPPORTED,
  ONION_DESCRIPTOR_NOT_FOUND,
  ONION_ADDRESS_INVALID,
} = Socks5Reply;

/** SOCKS5: as `tor` maps them. HTTP: http-connect "Error codes", with what proposal 365 changed. */
const endReasons: Readonly<Record<keyof typeof EndReason, Row>> = {
  MISC: [GENERAL_FAILURE, 500, "the exit closed the stream, and gave no reason"],
  RESOLVEFAILED: [HOST_UNREACHABLE, 503, "the exit could not resolve the name"],
  CONNECTREFUSED: [CONNECTION_REFUSED, 403, "the destination refused the connection"],
  EXITPOLICY: [NOT_ALLOWED, 503, "the exit does not allow this destination"],
  DESTROY: [GENERAL_FAILURE, 502, "the circuit was closed"],
  // The exit closed before it was connected: who did, it does not say.
  DONE: [CONNECTION_REFUSED, 502, "the connection was closed before it was open"],
  TIMEOUT: [TTL_EXPIRED, 504, "the connection timed out"],
  NOROUTE: [HOST_UNREACHABLE, 503, "there is no route from the exit to the destination"],
  HIBERNATING: [GENERAL_FAILURE, 502, "the exit is hibernating"],
  INTERNAL: [GENERAL_FAILURE, 502, "the exit has an internal error"],
  RESOURCELIMIT: [GENERAL_FAILURE, 502, "the exit has no room for the stream"],
  CONNRESET: [CONNECTION_REFUSED, 503, "the destination reset the connection"],
  TORPROTOCOL: [GENERAL_FAILURE, 502, "the exit tells of a violation of the Tor protocol"],
  NOTDIRECTORY: [GENERAL_FAILURE, 500, "the relay is no directory"],
};

const UNKNOWN_END: Row = [GENERAL_FAILURE, 500, "the exit closed the stream for a reason that is not known here"];

const clientFailures = {
  "not-bootstrapped": [GENERAL_FAILURE, 503, "the network is not known well enough yet to build circuits"],
  "no-network": [NETWORK_UNREACHABLE, 503, "this computer seems to have no network"],
  "no-guard": [NETWORK_UNREACHABLE, 503, "no guard can be reached"],
  "no-circuit": [GENERAL_FAILURE, 502, "no circuit could be built"],
  "circuit-closed": [GENERAL_FAILURE, 502, "the circuit was closed"],
  timeout: [TTL_EXPIRED, 504, "the connection timed out"],
  "no-exit": [NOT_ALLOWED, 503, "no exit that is known allows this destination"],
  "private-address": [NOT_ALLOWED, 403, "private addresses are not reached through the Tor network"],
  "no-answer": [HOST_UNREACHABLE, 503, "the name or address could not be resolved"],
  "resource-limit": [GENERAL_FAILURE, 503, "too many connections are open"],
  "shutting-down": [GENERAL_FAILURE, 503, "the client is shutting down"],
  internal: [GENERAL_FAILURE, 500, "the client has an internal error"],
  destination: [GENERAL_FAILURE, 400, "the destination is neither an address nor a host name"],
  port: [GENERAL_FAILURE, 400, "the port is not a number from 1 to 65535"],
  "exit-notation": [NOT_ALLOWED, 403, "names that end in .exit are not supported"],
  // There is no code for what is not supported. This one says, of a name that may well be right: not reachable by this client.
  "onion-unsupported": [ONION_DESCRIPTOR_NOT_FOUND, 501, "onion services are not supported"],
  "onion-address": [ONION_ADDRESS_INVALID, 400, "no onion service can have this name"],
  protocol: [GENERAL_FAILURE, 400, "the request is malformed"],
  oversized: [GENERAL_FAILURE, 431, "the request is too long"],
  version: [GENERAL_FAILURE, 505, "the version of the protocol is not supported"],
  command: [COMMAND_NOT_SUPPORTED, 405, "the command is not supported"],
  "address-type": [ADDRESS_TYPE_NOT_SUPPORTED, 400, "the type of address is not supported"],
  rpc: [GENERAL_FAILURE, 501, "there is no RPC here"],
} satisfies Readonly<Record<string, Row>>;

/** Failures that tell of a name rather than of the look-up. A name that ends in .onion is not one of DNS (RFC 7686, section 2). */
const dnsRcodes: Readonly<Partial<Record<ClientFailure, DnsRcode>>> = {
  "no-answer": DnsRcode.NXDOMAIN,
  "onion-unsupported": DnsRcode.NXDOMAIN,
  "onion-address": DnsRcode.NXDOMAIN,
  "exit-notation": DnsRcode.NXDOMAIN,
  destination: DnsRcode.REFUSED,
  "private-address": DnsRcode.REFUSED,
};

/** All of them. */
export const CLIENT_FAILURES = Object.keys(clientFailures) as ReadonlyArray<ClientFailure>;

const made = (token: string, [socks5, http, words]: Row, dns: DnsRcode = DnsRcode.SERVFAIL): FailureReply => ({
  // SOCKS4 knows no better.
  socks4: Socks4Reply.REJECTED,
  socks5,
  http,
  dns,
  token,
  words,
});

/** How a failure is told. This is the one place where it is decided. */
export const replyTo = (failure: ProxyFailure): FailureReply => {
  if (typeof failure === "string") return made(`allium/${failure}`, clientFailures[failure], dnsRcodes[failure]);
  const name = endReasonName(failure.end);
  return made(`end/${name ?? failure.end}`, name === undefined ? UNKNOWN_END : endReasons[name]);
};

/**
 * The code for an application that may not know Tor's: of the extended ones it gets HOST_UNREACHABLE in their stead. `tor` sends
 * extended ones only where its SocksPort has the flag `ExtendedErrors`.
 */
export const plainReply = (reply: Socks5Reply): Socks5Reply => (reply >= FIRST_EXTENDED ? HOST_UNREACHABLE : reply);
