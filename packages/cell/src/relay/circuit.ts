import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { HASH_LENGTH, TAP_CLIENT_LENGTH, TAP_SERVER_LENGTH } from "../constants.ts";
import { readLinkSpecifiers, writeLinkSpecifiers } from "./link-specifier.ts";
import type {
  CircuitPaddingNegotiate,
  CircuitPaddingNegotiated,
  Drop,
  Extend,
  Extend2,
  Extended,
  Extended2,
  Sendme,
  Truncate,
  Truncated,
} from "./message.ts";
import { CircuitPaddingCommand, CircuitPaddingResponse } from "./message.ts";

/** Bytes of a SENDME's tag with tor1 relay encryption: SHA-1. tor-spec 7.3.1. */
const TOR1_TAG_LENGTH = 20;
/** Bytes of a SENDME's tag with counter galois onion: its cell tag. Proposal 308. */
const CGO_TAG_LENGTH = 16;

export const readSendme = (reader: ByteReader, streamId: number): Sendme => {
  // The body of a stream's SENDME is to be ignored, and an empty one is of version 0. tor-spec 7.4, 7.3.1.
  if (streamId !== 0 || reader.remaining === 0) return { _tag: "SENDME", version: 0 };
  const version = reader.u8("version");
  if (version === 0) return { _tag: "SENDME", version };
  if (version !== 1) return reader.fail("value", `version ${version} is not defined`, 1);
  const length = reader.u16("DATA_LEN");
  if (length !== CGO_TAG_LENGTH && length < TOR1_TAG_LENGTH) {
    reader.fail("length", `a tag of ${length} bytes is too short`, 2);
  }
  const data = reader.take(length, "DATA");
  return { _tag: "SENDME", version, tag: length === CGO_TAG_LENGTH ? data : data.subarray(0, TOR1_TAG_LENGTH) };
};

export const writeSendme = (message: Sendme, out: ByteWriter): void => {
  if (message.version === 0) return;
  const { tag } = message;
  if (tag.length !== TOR1_TAG_LENGTH && tag.length !== CGO_TAG_LENGTH) out.fail(`a tag of ${tag.length} bytes`);
  out.u8(1, "version").u16(tag.length, "DATA_LEN").raw(tag);
};

export const readExtend2 = (reader: ByteReader): Extend2 => {
  const linkSpecifiers = readLinkSpecifiers(reader);
  const handshakeType = reader.u16("HTYPE");
  return { _tag: "EXTEND2", linkSpecifiers, handshakeType, handshake: reader.take(reader.u16("HLEN"), "HDATA") };
};

export const writeExtend2 = (message: Extend2, out: ByteWriter): void => {
  writeLinkSpecifiers(message.linkSpecifiers, out);
  out.u16(message.handshakeType, "HTYPE").u16(message.handshake.length, "HLEN").raw(message.handshake);
};

export const readExtended2 = (reader: ByteReader): Extended2 => ({
  _tag: "EXTENDED2",
  handshake: reader.take(reader.u16("HLEN"), "HDATA"),
});

export const writeExtended2 = (message: Extended2, out: ByteWriter): void => {
  out.u16(message.handshake.length, "HLEN").raw(message.handshake);
};

export const readExtend = (reader: ByteReader): Extend => ({
  _tag: "EXTEND",
  address: reader.ip(4, "address"),
  port: reader.u16("port"),
  handshake: reader.take(TAP_CLIENT_LENGTH, "onion skin"),
  rsaId: reader.take(HASH_LENGTH, "identity fingerprint"),
});

export const writeExtend = (message: Extend, out: ByteWriter): void => {
  if (message.address.family !== 4) out.fail("the address is not IPv4");
  out.ip(message.address).u16(message.port, "port");
  out.fixed(message.handshake, TAP_CLIENT_LENGTH, "onion skin").fixed(message.rsaId, HASH_LENGTH, "RSA identity");
};

export const readExtended = (reader: ByteReader): Extended => ({
  _tag: "EXTENDED",
  handshake: reader.take(TAP_SERVER_LENGTH, "handshake"),
});

export const writeExtended = (message: Extended, out: ByteWriter): void => {
  out.fixed(message.handshake, TAP_SERVER_LENGTH, "handshake");
};

export const readTruncate = (): Truncate => ({ _tag: "TRUNCATE" });

export const writeTruncate = (): void => {};

export const readTruncated = (reader: ByteReader): Truncated => ({ _tag: "TRUNCATED", reason: reader.u8("reason") });

export const writeTruncated = (message: Truncated, out: ByteWriter): void => {
  out.u8(message.reason, "reason");
};

export const readDrop = (): Drop => ({ _tag: "DROP" });

export const writeDrop = (): void => {};

const readPaddingCommand = (reader: ByteReader): CircuitPaddingNegotiate["command"] => {
  const version = reader.u8("version");
  if (version !== 0) reader.fail("value", `version ${version} is not defined`, 1);
  const command = reader.u8("command");
  if (command !== CircuitPaddingCommand.STOP && command !== CircuitPaddingCommand.START) {
    return reader.fail("value", `command ${command} is neither stop nor start`, 1);
  }
  return command;
};

export const readPaddingNegotiate = (reader: ByteReader): CircuitPaddingNegotiate => {
  const command = readPaddingCommand(reader);
  const machineType = reader.u8("machine type");
  const echo = reader.u8("echo request");
  if (echo > 1) reader.fail("value", `echo request ${echo} is neither 0 nor 1`, 1);
  return {
    _tag: "PADDING_NEGOTIATE",
    command,
    machineType,
    echoRequest: echo === 1,
    machineCounter: reader.u32("machine counter"),
  };
};

export const writePaddingNegotiate = (message: CircuitPaddingNegotiate, out: ByteWriter): void => {
  out.u8(0, "version").u8(message.command, "command").u8(message.machineType, "machine type");
  out.u8(message.echoRequest ? 1 : 0, "echo request").u32(message.machineCounter, "machine counter");
};

export const readPaddingNegotiated = (reader: ByteReader): CircuitPaddingNegotiated => {
  const command = readPaddingCommand(reader);
  const response = reader.u8("response");
  if (response !== CircuitPaddingResponse.OK && response !== CircuitPaddingResponse.ERROR) {
    return reader.fail("value", `response ${response} is neither success nor error`, 1);
  }
  const machineType = reader.u8("machine type");
  return { _tag: "PADDING_NEGOTIATED", command, response, machineType, machineCounter: reader.u32("machine counter") };
};

export const writePaddingNegotiated = (message: CircuitPaddingNegotiated, out: ByteWriter): void => {
  out.u8(0, "version").u8(message.command, "command").u8(message.response, "response");
  out.u8(message.machineType, "machine type").u32(message.machineCounter, "machine counter");
};
