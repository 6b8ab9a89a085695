import { hostileTable } from "./table.ts";

/** A case that `tor` answers otherwise. */
export interface Difference {
  /** The case. */
  readonly what: string;
  /** `tor`'s answer. */
  readonly tor: string;
  /** Now and then it answers as Allium does. */
  readonly mostly?: true;
  /** Why Allium does not answer alike. */
  readonly because: string;
}

const one = (what: string, tor: string, because: string): Difference => ({ what, tor, because });

const many = (whats: ReadonlyArray<string>, tor: string, because: string): ReadonlyArray<Difference> =>
  whats.map((what) => ({ what, tor, because }));

const farHandshakes = (hostileTable.find(({ title }) => title === "The next relay")?.cases ?? [])
  .filter(({ answer }) => answer === "DESTROY CONNECTFAILED")
  .map(({ what }) => what);

const TOO_LONG =
  "Nothing that a peer may have to say takes so much; what is longer than 16 KiB is not gathered in memory";
const ONION = "Allium has no part in onion services yet, and drops these messages without reading them";

/** Every case that the two do not answer alike. The test fails for one that is not in the list, and for one that is in it in vain. */
export const differences: ReadonlyArray<Difference> = [
  one(
    "a fixed-length cell before VERSIONS: NETINFO",
    "ignored",
    "tor-spec 4 allows no other cell there; `tor` closes for every other one too",
  ),
  one(
    "a variable-length command that nobody knows, before NETINFO",
    "ignored",
    "tor-spec 4 allows no other cell in the handshake; `tor` closes for those of fixed length too",
  ),
  ...many(
    [
      "a variable-length cell of 65535 bytes before NETINFO",
      "VPADDING of 65535 bytes",
      "a variable-length command that nobody knows, of 65535 bytes",
    ],
    "ignored",
    TOO_LONG,
  ),
  one(
    "NETINFO with a circuit ID",
    "ignored",
    "In the handshake nobody is known yet: what no sender does ends it. On an open channel such cells are ignored",
  ),
  one(
    "NETINFO with an address of a kind that nobody knows",
    "closes the channel",
    "tor-spec 4.5 has addresses ignored that are not understood",
  ),
  ...many(
    [
      "the signing key's certificate says that it is of another type",
      "the signing key's certificate says that its key is no key",
      "the authentication key's certificate says that it is of another type",
    ],
    "ignored",
    "cert-spec has types so that a certificate is good for one use only; `tor` goes by the type that CERTS gives it",
  ),
  one(
    "ntor for an onion key that the relay does not have",
    "CREATED2",
    "`tor` answers with a key drawn at random, and the client finds out by itself. Which key a client asks for is no secret: it is told at once, and no handshake is computed for it",
  ),
  one(
    "TRUNCATE with a stream ID",
    "TRUNCATED REQUESTED",
    "`tor` drops most messages with an ID that they cannot have, and does not look at it here. Allium drops them all",
  ),
  ...many(
    ["CONFLUX_LINK", "CONFLUX_LINKED", "CONFLUX_LINKED_ACK", "CONFLUX_SWITCH"].map(
      (name) => `${name} with a stream ID`,
    ),
    "DESTROY PROTOCOL",
    "Dropped as all messages with an ID that they cannot have; without one they end the circuit here too",
  ),
  one(
    "PADDING_NEGOTIATE for a machine that nobody knows",
    "PADDING_NEGOTIATED",
    "Allium offers no circuit padding, and does not know the machines to say no to",
  ),
  ...many(
    [
      "ESTABLISH_INTRO with a stream ID",
      "ESTABLISH_INTRO that is noise",
      "ESTABLISH_RENDEZVOUS that is noise",
      "RENDEZVOUS1 that is noise",
    ],
    "DESTROY PROTOCOL",
    ONION,
  ),
  one("INTRODUCE1 that is noise", "INTRODUCE_ACK", ONION),
  ...many(
    ["EXTEND2 to the relay itself", "EXTEND2 to the relay itself, by its Ed25519 identity alone"],
    "DESTROY CONNECTFAILED",
    "`tor` tries to connect to itself first. Asking for it is what is wrong, not the connection",
  ),
  ...many(
    [
      "EXTEND2 to a port where nobody listens",
      "EXTEND2 to a port where somebody listens who does not speak TLS",
      ...farHandshakes,
    ],
    "DESTROY CHANNEL_CLOSED",
    "tor-spec 5.4 has CONNECTFAILED for a relay that could not be reached",
  ),
  ...many(
    [
      "EXTEND2 to a relay that is somebody else, by its RSA identity",
      "EXTEND2 to a relay that is somebody else, by its Ed25519 identity",
    ],
    "DESTROY CHANNEL_CLOSED",
    "tor-spec 5.4 has OR_IDENTITY for a relay that was not the one expected",
  ),
  one(
    "CREATED2 twice",
    "EXTENDED2",
    "Nobody has asked for a second: passed on, it would be the client that has to make something of it",
  ),
  one(
    "BEGIN to an IPv4 address inside an IPv6 address that the policy refuses",
    "END MISC",
    "It is taken for the IPv4 address that it is, and the policy is asked",
  ),
  {
    ...one(
      "BEGIN to a port where nobody listens",
      "END MISC",
      "tor-spec 6.3 has CONNECTREFUSED for it, and `tor` means to give it, but mostly looks for the error where it no longer is",
    ),
    mostly: true,
  },
  one(
    "RESOLVE of an address",
    "RESOLVED error",
    "tor-spec 6.4 has addresses for answers. `tor` finds it, but has nothing in its cache to make the cell of",
  ),
  one(
    "END without a reason",
    "DESTROY PROTOCOL",
    "The stream is over whatever the reason; `tor` before 0.4.9 took it for MISC too",
  ),
  one(
    "a stream's window overrun, with an application that does not read",
    "END TORPROTOCOL, DESTROY PROTOCOL",
    "The stream ends with its circuit: END would say nothing that DESTROY does not",
  ),
  ...many(
    [
      "XOFF with nothing in it",
      "XOFF of a version that nobody knows",
      "XON of a version that nobody knows",
      "XON that is cut short",
    ],
    "ignored",
    "Proposal 324, 4.1: versions that are not known SHOULD be treated as a violation; a message too short to have one is treated alike",
  ),
  one(
    "8 MB of DATA for an application that does not read, in spite of XOFF",
    "ignored",
    "`tor` buffers until its memory is gone. Allium holds 2 MiB for a stream, and reads no more of its circuit until the application does",
  ),
  ...(hostileTable.find(({ title }) => title === "What is withheld")?.cases ?? []).map(({ what }) => ({
    what,
    tor: "waits",
    because: "`tor` keeps such a connection for minutes. Nobody needs so long, and each takes a place (timers.md)",
  })),
];

/** A line of an answer to a recording that is not alike. */
export interface RecordedDifference {
  /** What `tor` answers, as a line of the report. */
  readonly tor: string;
  /** What Allium answers instead. */
  readonly allium: string;
  readonly because: string;
}

const ONLY_LINK_3 = "Whoever is in a network today has link protocol 4: the consensus requires it";

/** What is not answered alike when recordings are played. The test fails for one that is listed in vain, too. */
export const recordedDifferences: ReadonlyArray<RecordedDifference> = [
  {
    tor: "link: VERSIONS 000300040005, CERTS, AUTH_CHALLENGE, NETINFO",
    allium: "link: VERSIONS 00040005, CERTS, AUTH_CHALLENGE, NETINFO",
    because: ONLY_LINK_3,
  },
  {
    tor: "link to the next relay: VERSIONS 000300040005, CERTS, AUTHENTICATE, NETINFO",
    allium: "link to the next relay: VERSIONS 00040005, CERTS, AUTHENTICATE, NETINFO",
    because: ONLY_LINK_3,
  },
  {
    tor: "circuit 1, stream 1: CONNECTED, END DONE, HTTP/1.0 200 OK, x-tor-lzma",
    allium:
      "circuit 1, stream 1: CONNECTED, END DONE, HTTP/1.0 200 OK, x-zstd: network-status-version 3 microdesc, 7 relays, 3 signatures",
    because: "Allium has zlib and zstd, and clients take those: LZMA is what they like best, not what they need",
  },
  {
    tor: "circuit 1, stream 1: END MISC",
    allium: "circuit 1, stream 1: END CONNECTREFUSED",
    because:
      "tor-spec 6.3 has CONNECTREFUSED for a port where nobody listens; `tor` means to give it, but mostly looks for the error where it no longer is",
  },
  {
    tor: "circuit 1: created 0102011f, DESTROY CHANNEL_CLOSED",
    allium: "circuit 1: created 0102011f, DESTROY CONNECTFAILED",
    because: "tor-spec 5.4 has CONNECTFAILED for a relay that could not be reached",
  },
  {
    tor: "circuit 1, stream 3: RESOLVED error 241 4572726f72207265736f6c76696e6720686f73746e616d65",
    allium: "circuit 1, stream 3: RESOLVED error 241 ",
    because: "tor-spec 6.4 has what an error contains ignored: `tor` writes a sentence there, always the same",
  },
];
