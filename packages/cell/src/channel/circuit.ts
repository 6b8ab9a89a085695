import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { HASH_LENGTH, TAP_CLIENT_LENGTH, TAP_SERVER_LENGTH } from "../constants.ts";
import type { Create, Create2, Created, Created2, CreatedFast, CreateFast, Destroy } from "./message.ts";

export const readCreate = (reader: ByteReader): Create => ({
  _tag: "CREATE",
  handshake: reader.take(TAP_CLIENT_LENGTH, "handshake"),
});

export const writeCreate = (message: Create, out: ByteWriter): void => {
  out.fixed(message.handshake, TAP_CLIENT_LENGTH, "handshake");
};

export const readCreated = (reader: ByteReader): Created => ({
  _tag: "CREATED",
  handshake: reader.take(TAP_SERVER_LENGTH, "handshake"),
});

export const writeCreated = (message: Created, out: ByteWriter): void => {
  out.fixed(message.handshake, TAP_SERVER_LENGTH, "handshake");
};

export const readCreateFast = (reader: ByteReader): CreateFast => ({
  _tag: "CREATE_FAST",
  keyMaterial: reader.take(HASH_LENGTH, "key material"),
});

export const writeCreateFast = (message: CreateFast, out: ByteWriter): void => {
  out.fixed(message.keyMaterial, HASH_LENGTH, "key material");
};

export const readCreatedFast = (reader: ByteReader): CreatedFast => ({
  _tag: "CREATED_FAST",
  keyMaterial: reader.take(HASH_LENGTH, "key material"),
  derivativeKeyData: reader.take(HASH_LENGTH, "derivative key data"),
});

export const writeCreatedFast = (message: CreatedFast, out: ByteWriter): void => {
  out.fixed(message.keyMaterial, HASH_LENGTH, "key material");
  out.fixed(message.derivativeKeyData, HASH_LENGTH, "derivative key data");
};

export const readCreate2 = (reader: ByteReader): Create2 => {
  const handshakeType = reader.u16("HTYPE");
  return { _tag: "CREATE2", handshakeType, handshake: reader.take(reader.u16("HLEN"), "HDATA") };
};

export const writeCreate2 = (message: Create2, out: ByteWriter): void => {
  out.u16(message.handshakeType, "HTYPE").u16(message.handshake.length, "HLEN").raw(message.handshake);
};

export const readCreated2 = (reader: ByteReader): Created2 => ({
  _tag: "CREATED2",
  handshake: reader.take(reader.u16("HLEN"), "HDATA"),
});

export const writeCreated2 = (message: Created2, out: ByteWriter): void => {
  out.u16(message.handshake.length, "HLEN").raw(message.handshake);
};

export const readDestroy = (reader: ByteReader): Destroy => ({ _tag: "DESTROY", reason: reader.u8("reason") });

export const writeDestroy = (message: Destroy, out: ByteWriter): void => {
  out.u8(message.reason, "reason");
};
