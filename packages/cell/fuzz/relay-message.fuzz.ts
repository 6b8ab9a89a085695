import assert from "node:assert/strict";
import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import type { RelayMessage } from "../src/index.ts";
import {
  acceptsStreamId,
  CellEncodeError,
  CellError,
  encodeRelayBody,
  RelayCommand,
  readRelayMessage,
  relayMessageTags,
} from "../src/index.ts";
import { relayMessages } from "./messages.ts";

/** Reads a body; undefined if it is refused with the package's own error. */
const read = (command: number, bytes: Buffer) => {
  const streamId = acceptsStreamId(command, 0) ? 0 : 7;
  try {
    return readRelayMessage({ command, streamId, bytes, start: 0, end: bytes.length });
  } catch (error) {
    if (error instanceof CellError) return undefined;
    throw error;
  }
};

/** Encodes a message; undefined for answers that are accepted but not sent: an error beside others. tor-spec 6.4. */
const encode = (message: RelayMessage): Buffer | undefined => {
  try {
    return encodeRelayBody(message);
  } catch (error) {
    if (error instanceof CellEncodeError && message._tag === "RESOLVED") return undefined;
    throw error;
  }
};

export const targets: ReadonlyArray<FuzzTarget> = relayMessageTags.map((tag) => ({
  name: `relay message ${tag}`,
  run: (random) => {
    const body = encodeRelayBody(relayMessages[tag](random));
    const input = random.oneIn(4) ? random.bytes(random.below(80)) : random.mutate(body);
    const message = read(RelayCommand[tag], input);
    if (message === undefined || message._tag === "UNRECOGNIZED") return;
    const encoded = encode(message);
    if (encoded === undefined) return;
    // What was accepted has an encoding, and that is stable. (Answers may change their order on the first.)
    const again = read(RelayCommand[tag], encoded);
    if (tag !== "RESOLVED") assert.deepEqual(again, message);
    assert.deepEqual(encode(again as RelayMessage), encoded);
  },
}));
