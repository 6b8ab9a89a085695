import type { CellView } from "../cell-decoder.ts";
import { channelMessageReader, channelMessageTags } from "./codec.ts";
import type { ChannelMessage, Unrecognized } from "./message.ts";

// Which messages a channel may receive in which state (tor-spec 4):
//
// | state                      | messages                                                                   |
// | -------------------------- | -------------------------------------------------------------------------- |
// | before VERSIONS            | VERSIONS, VPADDING, AUTHORIZE                                               |
// | handshake, as initiator    | CERTS, AUTH_CHALLENGE, NETINFO, VPADDING, AUTHORIZE, later VERSIONS         |
// | handshake, as responder    | CERTS, AUTHENTICATE, NETINFO, VPADDING, AUTHORIZE, later VERSIONS           |
// | open                       | CREATE*, CREATED*, DESTROY, PADDING*, VPADDING; NETINFO, VERSIONS, AUTHORIZE |
// |                            | to be ignored; RELAY and RELAY_EARLY, which are not read here               |

/**
 * Reads a cell that comes before link protocols are agreed on.
 *
 * @throws CellError
 */
export const readFirstMessage = channelMessageReader(
  "before VERSIONS",
  ["VERSIONS", "VPADDING", "AUTHORIZE"],
  "refuse",
);

/** @see readFirstMessage */
export type FirstMessage = ReturnType<typeof readFirstMessage>;

/**
 * Reads a cell that a responder sends between its VERSIONS and its NETINFO. A second VERSIONS is to be ignored.
 *
 * @throws CellError
 */
export const readHandshakeAsInitiator = channelMessageReader(
  "in the handshake, from the responder",
  ["CERTS", "AUTH_CHALLENGE", "NETINFO", "VPADDING", "AUTHORIZE", "VERSIONS"],
  "refuse",
);

/** @see readHandshakeAsInitiator */
export type ResponderHandshakeMessage = ReturnType<typeof readHandshakeAsInitiator>;

/**
 * Reads a cell that an initiator sends between its VERSIONS and its NETINFO. A second VERSIONS is to be ignored.
 *
 * @throws CellError
 */
export const readHandshakeAsResponder = channelMessageReader(
  "in the handshake, from the initiator",
  ["CERTS", "AUTHENTICATE", "NETINFO", "VPADDING", "AUTHORIZE", "VERSIONS"],
  "refuse",
);

/** @see readHandshakeAsResponder */
export type InitiatorHandshakeMessage = ReturnType<typeof readHandshakeAsResponder>;

/**
 * Reads a cell of an open channel that is neither RELAY nor RELAY_EARLY: those are copied to their circuit's slab, not
 * read. NETINFO, VERSIONS and AUTHORIZE are to be ignored by now, and so are commands that are not defined.
 *
 * @throws CellError
 */
export const readOpenMessage = channelMessageReader(
  "on an open channel",
  [
    "PADDING",
    "VPADDING",
    "PADDING_NEGOTIATE",
    "CREATE",
    "CREATED",
    "CREATE_FAST",
    "CREATED_FAST",
    "CREATE2",
    "CREATED2",
    "DESTROY",
    "NETINFO",
    "VERSIONS",
    "AUTHORIZE",
  ],
  "drop",
);

/** @see readOpenMessage */
export type OpenMessage = ReturnType<typeof readOpenMessage>;

/**
 * Reads a cell of any state: for tools that look at recorded channels. A channel itself uses the reader of its state.
 *
 * @throws CellError
 */
export const readChannelMessage: (cell: CellView) => ChannelMessage | Unrecognized = channelMessageReader(
  "outside a circuit",
  channelMessageTags,
  "drop",
);
