import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { ipFromBytes, ipLength } from "../ip.ts";
import type {
  AuthChallenge,
  Authenticate,
  Authorize,
  CellCert,
  Certs,
  Netinfo,
  NetinfoAddress,
  Padding,
  PaddingNegotiate,
  Versions,
  VPadding,
} from "./message.ts";
import { PaddingNegotiateCommand } from "./message.ts";

/** Bytes of the random challenge in AUTH_CHALLENGE. tor-spec 4.3. */
const CHALLENGE_LENGTH = 32;

export const readVersions = (reader: ByteReader): Versions => {
  if (reader.remaining % 2 !== 0) reader.fail("length", `${reader.remaining} bytes are no list of two-byte versions`);
  const versions: Array<number> = [];
  while (reader.remaining > 0) versions.push(reader.u16("version"));
  return { _tag: "VERSIONS", versions };
};

export const writeVersions = (message: Versions, out: ByteWriter): void => {
  for (const version of message.versions) out.u16(version, "version");
};

export const readCerts = (reader: ByteReader): Certs => {
  const count = reader.u8("number of certificates");
  const certs: Array<CellCert> = [];
  const seen = new Set<number>();
  for (let index = 0; index < count; index++) {
    const type = reader.u8("CertType");
    if (seen.has(type)) reader.fail("duplicate", `second certificate of CertType ${type}`, 1);
    seen.add(type);
    certs.push({ type, body: reader.take(reader.u16("CLEN"), "certificate") });
  }
  return { _tag: "CERTS", certs };
};

export const writeCerts = (message: Certs, out: ByteWriter): void => {
  out.u8(message.certs.length, "number of certificates");
  const seen = new Set<number>();
  for (const { type, body } of message.certs) {
    if (seen.has(type)) out.fail(`second certificate of CertType ${type}`);
    seen.add(type);
    out.u8(type, "CertType").u16(body.length, "CLEN").raw(body);
  }
};

export const readAuthChallenge = (reader: ByteReader): AuthChallenge => {
  const challenge = reader.take(CHALLENGE_LENGTH, "challenge");
  const count = reader.u16("number of methods");
  const methods: Array<number> = [];
  for (let index = 0; index < count; index++) methods.push(reader.u16("method"));
  return { _tag: "AUTH_CHALLENGE", challenge, methods };
};

export const writeAuthChallenge = (message: AuthChallenge, out: ByteWriter): void => {
  out.fixed(message.challenge, CHALLENGE_LENGTH, "challenge");
  out.u16(message.methods.length, "number of methods");
  for (const method of message.methods) out.u16(method, "method");
};

export const readAuthenticate = (reader: ByteReader): Authenticate => {
  const method = reader.u16("AuthType");
  const authentication = reader.take(reader.u16("AuthLen"), "authentication");
  return { _tag: "AUTHENTICATE", method, authentication };
};

export const writeAuthenticate = (message: Authenticate, out: ByteWriter): void => {
  out.u16(message.method, "AuthType").u16(message.authentication.length, "AuthLen").raw(message.authentication);
};

const readAddress = (reader: ByteReader): NetinfoAddress => {
  const type = reader.u8("address type");
  const value = reader.take(reader.u8("address length"), "address");
  const address = ipFromBytes(value);
  // The type bytes of NETINFO are the family numbers.
  return address?.family === type ? address : { family: "unknown", type, value };
};

const writeAddress = (address: NetinfoAddress, out: ByteWriter): void => {
  if (address.family === "unknown") {
    out.u8(address.type, "address type").u8(address.value.length, "address length").raw(address.value);
    return;
  }
  out.u8(address.family, "address type").u8(ipLength(address.family), "address length").ip(address);
};

export const readNetinfo = (reader: ByteReader): Netinfo => {
  const timestamp = reader.u32("timestamp");
  const otherAddress = readAddress(reader);
  const count = reader.u8("number of addresses");
  const myAddresses: Array<NetinfoAddress> = [];
  for (let index = 0; index < count; index++) myAddresses.push(readAddress(reader));
  return { _tag: "NETINFO", timestamp, otherAddress, myAddresses };
};

export const writeNetinfo = (message: Netinfo, out: ByteWriter): void => {
  out.u32(message.timestamp, "timestamp");
  writeAddress(message.otherAddress, out);
  out.u8(message.myAddresses.length, "number of addresses");
  for (const address of message.myAddresses) writeAddress(address, out);
};

export const readPadding = (): Padding => ({ _tag: "PADDING" });

export const writePadding = (): void => {};

export const readVPadding = (reader: ByteReader): VPadding => ({ _tag: "VPADDING", length: reader.remaining });

export const writeVPadding = (message: VPadding, out: ByteWriter): void => {
  if (!Number.isInteger(message.length) || message.length < 0 || message.length > 0xffff) {
    out.fail(`${message.length} bytes of padding are no length of a cell`);
  }
  out.raw(Buffer.alloc(message.length));
};

export const readPaddingNegotiate = (reader: ByteReader): PaddingNegotiate => {
  const version = reader.u8("version");
  if (version !== 0) reader.fail("value", `version ${version} is not defined`, 1);
  const command = reader.u8("command");
  if (command !== PaddingNegotiateCommand.STOP && command !== PaddingNegotiateCommand.START) {
    reader.fail("value", `command ${command} is neither stop nor start`, 1);
  }
  const itoLowMs = reader.u16("ito_low_ms");
  const itoHighMs = reader.u16("ito_high_ms");
  return { _tag: "PADDING_NEGOTIATE", command, itoLowMs, itoHighMs };
};

export const writePaddingNegotiate = (message: PaddingNegotiate, out: ByteWriter): void => {
  out.u8(0, "version").u8(message.command, "command");
  out.u16(message.itoLowMs, "ito_low_ms").u16(message.itoHighMs, "ito_high_ms");
};

export const readAuthorize = (reader: ByteReader): Authorize => ({ _tag: "AUTHORIZE", body: reader.rest() });

export const writeAuthorize = (message: Authorize, out: ByteWriter): void => {
  out.raw(message.body);
};
