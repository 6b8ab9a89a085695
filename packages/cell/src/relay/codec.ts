import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import type { Unrecognized } from "../channel/message.ts";
import { CellEncodeError, CellError } from "../error.ts";
import { RelayCommand, relayCommandName } from "../relay-command.ts";
import * as circuit from "./circuit.ts";
import * as conflux from "./conflux.ts";
import type { PaddingSource, RelayCellFormat, RelayMessageView } from "./format.ts";
import type { RelayMessage } from "./message.ts";
import * as resolve from "./resolve.ts";
import * as stream from "./stream.ts";
import { acceptsStreamId } from "./stream-id.ts";

/** The name of a command whose messages become a {@link RelayMessage}. */
export type RelayMessageTag = RelayMessage["_tag"];

type MessageOf<Tag extends RelayMessageTag> = Extract<RelayMessage, { _tag: Tag }>;

/** How the body of one message is read and written. */
interface BodyCodec<Message extends RelayMessage> {
  readonly read: (reader: ByteReader, streamId: number) => Message;
  readonly write: (message: Message, out: ByteWriter) => void;
}

const codecs: { readonly [Tag in RelayMessageTag]: BodyCodec<MessageOf<Tag>> } = {
  BEGIN: { read: stream.readBegin, write: stream.writeBegin },
  DATA: { read: stream.readData, write: stream.writeData },
  END: { read: stream.readEnd, write: stream.writeEnd },
  CONNECTED: { read: stream.readConnected, write: stream.writeConnected },
  SENDME: { read: circuit.readSendme, write: circuit.writeSendme },
  EXTEND: { read: circuit.readExtend, write: circuit.writeExtend },
  EXTENDED: { read: circuit.readExtended, write: circuit.writeExtended },
  TRUNCATE: { read: circuit.readTruncate, write: circuit.writeTruncate },
  TRUNCATED: { read: circuit.readTruncated, write: circuit.writeTruncated },
  DROP: { read: circuit.readDrop, write: circuit.writeDrop },
  RESOLVE: { read: resolve.readResolve, write: resolve.writeResolve },
  RESOLVED: { read: resolve.readResolved, write: resolve.writeResolved },
  BEGIN_DIR: { read: stream.readBeginDir, write: stream.writeBeginDir },
  EXTEND2: { read: circuit.readExtend2, write: circuit.writeExtend2 },
  EXTENDED2: { read: circuit.readExtended2, write: circuit.writeExtended2 },
  CONFLUX_LINK: { read: conflux.readConfluxLink, write: conflux.writeConfluxLink },
  CONFLUX_LINKED: { read: conflux.readConfluxLinked, write: conflux.writeConfluxLinked },
  CONFLUX_LINKED_ACK: { read: conflux.readConfluxLinkedAck, write: conflux.writeConfluxLinkedAck },
  CONFLUX_SWITCH: { read: conflux.readConfluxSwitch, write: conflux.writeConfluxSwitch },
  CONFLUX_LEG_ENDED: { read: conflux.readConfluxLegEnded, write: conflux.writeConfluxLegEnded },
  CONFLUX_REWIND: { read: conflux.readConfluxRewind, write: conflux.writeConfluxRewind },
  PADDING_NEGOTIATE: { read: circuit.readPaddingNegotiate, write: circuit.writePaddingNegotiate },
  PADDING_NEGOTIATED: { read: circuit.readPaddingNegotiated, write: circuit.writePaddingNegotiated },
  XOFF: { read: stream.readXoff, write: stream.writeXoff },
  XON: { read: stream.readXon, write: stream.writeXon },
};

/** Tags of all relay messages, in the order of the table above. */
export const relayMessageTags = Object.keys(codecs) as ReadonlyArray<RelayMessageTag>;

/** Commands that this package reads; to others the rule for commands that are not understood applies. */
const understood = new Set<number>(relayMessageTags.map((tag) => RelayCommand[tag]));

/**
 * Makes the decoder of one role or state: it reads the messages with the given tags. Commands that are not understood,
 * those of onion services among them, come out as {@link Unrecognized}: they are dropped, but count (tor-spec 6.1).
 *
 * The decoder throws {@link CellError}: `unexpected` for a message of another role, `stream-id` for a stream ID that the
 * command cannot have, and what its own fields are guilty of.
 */
export const relayMessageReader = <const Tag extends RelayMessageTag>(
  role: string,
  tags: ReadonlyArray<Tag>,
): ((view: RelayMessageView) => MessageOf<Tag> | Unrecognized) => {
  const accepted = new Map<number, Tag>(tags.map((tag) => [RelayCommand[tag], tag]));
  return (view) => {
    const tag = accepted.get(view.command);
    if (tag === undefined) {
      if (!understood.has(view.command)) return { _tag: "UNRECOGNIZED", command: view.command };
      throw new CellError("unexpected", `${relayCommandName(view.command)}`, 0, `not allowed ${role}`);
    }
    if (!acceptsStreamId(view.command, view.streamId)) {
      throw new CellError("stream-id", tag, 0, `stream ID ${view.streamId}`);
    }
    return codecs[tag].read(new ByteReader(tag, view.bytes, view.start, view.end), view.streamId) as MessageOf<Tag>;
  };
};

/**
 * The body of a message.
 *
 * @throws CellEncodeError if a field does not fit
 */
export const encodeRelayBody = (message: RelayMessage): Buffer => {
  const out = new ByteWriter(message._tag);
  // The table pairs each tag with the codec of its own message, which the compiler cannot see through the union.
  const { write } = codecs[message._tag] as BodyCodec<RelayMessage>;
  write(message, out);
  return out.finish();
};

/**
 * Writes a message alone into cell `index` of a slab, ready to be encrypted. DATA of the hot path goes through
 * `format.writeMessage` instead.
 *
 * @throws CellEncodeError if a field does not fit, the body is longer than the cell, or the stream ID is none that the message may have
 */
export const writeRelayMessage = (
  format: RelayCellFormat,
  slab: Buffer,
  index: number,
  streamId: number,
  message: RelayMessage,
  padding?: PaddingSource,
): void => {
  if (message._tag === "SENDME" && message.version === 1 && streamId !== 0) {
    throw new CellEncodeError("SENDME", "version 1 on a stream");
  }
  const body = encodeRelayBody(message);
  format.writeMessage(slab, index, RelayCommand[message._tag], streamId, body, 0, body.length, padding);
};
