import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import type { CellView } from "../cell-decoder.ts";
import { encodeFixedCell, encodeVariableCell } from "../cell-encoder.ts";
import { ChannelCommand, channelCommandName, circIdRule, isVariableLength } from "../channel-command.ts";
import type { CircIdLen } from "../constants.ts";
import { CELL_BODY_LEN } from "../constants.ts";
import { CellEncodeError, CellError } from "../error.ts";
import * as circuit from "./circuit.ts";
import * as link from "./link.ts";
import type { ChannelMessage, Unrecognized } from "./message.ts";

/** The name of a command whose cells become a {@link ChannelMessage}. */
export type ChannelMessageTag = ChannelMessage["_tag"];

type MessageOf<Tag extends ChannelMessageTag> = Extract<ChannelMessage, { _tag: Tag }>;

/** How the body of one message is read and written. */
interface BodyCodec<Message extends ChannelMessage> {
  readonly read: (reader: ByteReader) => Message;
  readonly write: (message: Message, out: ByteWriter) => void;
}

const codecs: { readonly [Tag in ChannelMessageTag]: BodyCodec<MessageOf<Tag>> } = {
  VERSIONS: { read: link.readVersions, write: link.writeVersions },
  CERTS: { read: link.readCerts, write: link.writeCerts },
  AUTH_CHALLENGE: { read: link.readAuthChallenge, write: link.writeAuthChallenge },
  AUTHENTICATE: { read: link.readAuthenticate, write: link.writeAuthenticate },
  NETINFO: { read: link.readNetinfo, write: link.writeNetinfo },
  PADDING: { read: link.readPadding, write: link.writePadding },
  VPADDING: { read: link.readVPadding, write: link.writeVPadding },
  PADDING_NEGOTIATE: { read: link.readPaddingNegotiate, write: link.writePaddingNegotiate },
  AUTHORIZE: { read: link.readAuthorize, write: link.writeAuthorize },
  CREATE: { read: circuit.readCreate, write: circuit.writeCreate },
  CREATED: { read: circuit.readCreated, write: circuit.writeCreated },
  CREATE_FAST: { read: circuit.readCreateFast, write: circuit.writeCreateFast },
  CREATED_FAST: { read: circuit.readCreatedFast, write: circuit.writeCreatedFast },
  CREATE2: { read: circuit.readCreate2, write: circuit.writeCreate2 },
  CREATED2: { read: circuit.readCreated2, write: circuit.writeCreated2 },
  DESTROY: { read: circuit.readDestroy, write: circuit.writeDestroy },
};

/** Tags of all channel messages, in the order of the table above. */
export const channelMessageTags = Object.keys(codecs) as ReadonlyArray<ChannelMessageTag>;

/**
 * Makes the decoder of one state of a channel: it reads the messages with the given tags and no others, so that what a
 * state must not see never reaches it. The cell is a `CellDecoder`, or anything else that shows one.
 *
 * With `unrecognized: "drop"` commands that are not defined come out as {@link Unrecognized}, as they must on an open
 * channel (tor-spec 3); with `"refuse"` they are an error, as they are in the handshake (tor-spec 4).
 *
 * The decoder throws {@link CellError}: `unexpected` for a message of another state, `circuit-id` for one with a circuit
 * ID that it cannot have, and what its own fields are guilty of.
 */
export const channelMessageReader = <const Tag extends ChannelMessageTag, Unknown extends "drop" | "refuse">(
  state: string,
  tags: ReadonlyArray<Tag>,
  unrecognized: Unknown,
): ((cell: CellView) => MessageOf<Tag> | (Unknown extends "drop" ? Unrecognized : never)) => {
  type Accepted = MessageOf<Tag> | (Unknown extends "drop" ? Unrecognized : never);
  const accepted = new Map<number, Tag>(tags.map((tag) => [ChannelCommand[tag], tag]));
  return (cell) => {
    const tag = accepted.get(cell.command);
    if (tag === undefined) {
      const name = channelCommandName(cell.command);
      if (name === undefined && unrecognized === "drop") {
        return { _tag: "UNRECOGNIZED", command: cell.command } as Accepted;
      }
      throw new CellError("unexpected", name ?? `command ${cell.command}`, 0, `not allowed ${state}`);
    }
    const rule = circIdRule(cell.command);
    if (rule !== "any" && (rule === "zero") !== (cell.circId === 0)) {
      throw new CellError("circuit-id", tag, 0, `circuit ID ${cell.circId}, must be ${rule}`);
    }
    return codecs[tag].read(new ByteReader(tag, cell.bytes, cell.start, cell.end)) as Accepted;
  };
};

/**
 * The body of a message, without header and padding.
 *
 * @throws CellEncodeError if a field does not fit
 */
export const encodeChannelBody = (message: ChannelMessage): Buffer => {
  const out = new ByteWriter(message._tag);
  // The table pairs each tag with the codec of its own message, which the compiler cannot see through the union.
  const { write } = codecs[message._tag] as BodyCodec<ChannelMessage>;
  write(message, out);
  const body = out.finish();
  const longest = isVariableLength(ChannelCommand[message._tag]) ? 0xffff : CELL_BODY_LEN;
  if (body.length > longest) {
    throw new CellEncodeError(message._tag, `a body of ${body.length} bytes is longer than ${longest}`);
  }
  return body;
};

/**
 * A message as a whole cell. VERSIONS is always given the two-byte circuit ID of a channel that has not negotiated yet
 * (tor-spec 4.1), whatever `circIdLen` says.
 *
 * @throws CellEncodeError if a field does not fit, or the circuit ID is zero where it must not be or the other way round
 */
export const encodeChannelMessage = (circId: number, message: ChannelMessage, circIdLen: CircIdLen = 4): Buffer => {
  const command = ChannelCommand[message._tag];
  const rule = circIdRule(command);
  if (rule !== "any" && (rule === "zero") !== (circId === 0)) {
    throw new CellEncodeError(message._tag, `circuit ID ${circId}, must be ${rule}`);
  }
  const body = encodeChannelBody(message);
  const width = command === ChannelCommand.VERSIONS ? 2 : circIdLen;
  return isVariableLength(command)
    ? encodeVariableCell(circId, command, body, width)
    : encodeFixedCell(circId, command, body, width);
};
