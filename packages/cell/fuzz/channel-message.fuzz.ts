import assert from "node:assert/strict";
import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import {
  CELL_BODY_LEN,
  CellError,
  ChannelCommand,
  channelMessageTags,
  circIdRule,
  encodeChannelBody,
  isVariableLength,
  readChannelMessage,
} from "../src/index.ts";
import { channelMessages } from "./messages.ts";

/** Reads a body; undefined if it is refused with the package's own error. */
const read = (command: number, bytes: Buffer) => {
  const circId = circIdRule(command) === "zero" ? 0 : 7;
  try {
    return readChannelMessage({ circId, command, bytes, start: 0, end: bytes.length });
  } catch (error) {
    if (error instanceof CellError) return undefined;
    throw error;
  }
};

export const targets: ReadonlyArray<FuzzTarget> = channelMessageTags.map((tag) => ({
  name: `channel message ${tag}`,
  run: (random) => {
    const body = encodeChannelBody(channelMessages[tag](random));
    const bent = random.oneIn(4) ? random.bytes(random.below(80)) : random.mutate(body);
    const input = isVariableLength(ChannelCommand[tag]) ? bent : bent.subarray(0, CELL_BODY_LEN);
    const message = read(ChannelCommand[tag], input);
    if (message === undefined || message._tag === "UNRECOGNIZED") return;
    // What was accepted has an encoding, and that stands for the same message.
    assert.deepEqual(read(ChannelCommand[tag], encodeChannelBody(message)), message);
  },
}));
