import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { ipFromBytes } from "../ip.ts";
import { EndReason } from "../reason.ts";
import { formatAddrPort, parseAddrPort } from "./destination.ts";
import type { Begin, BeginDir, Connected, Data, End, Xoff, Xon } from "./message.ts";
import { BeginFlag } from "./message.ts";

/** The TTL of an address that came without one. tor-spec 6.3. */
const NO_TTL = 0xffff_ffff;
const TTL_LENGTH = 4;
const FLAGS_LENGTH = 4;
/** The flags that are defined; others are ignored. tor-spec 6.2. */
const KNOWN_FLAGS = BeginFlag.IPV6_OKAY | BeginFlag.IPV4_NOT_OKAY | BeginFlag.IPV6_PREFERRED;
/** What stands for an IPv6 address in CONNECTED: this address, then this type. tor-spec 6.2. */
const CONNECTED_NO_IPV4 = "0.0.0.0";
const CONNECTED_IPV6 = 6;

export const readBegin = (reader: ByteReader): Begin => {
  const { destination, port } = parseAddrPort(reader.text("ADDRPORT"));
  const flags = reader.remaining >= FLAGS_LENGTH ? reader.u32("FLAGS") & KNOWN_FLAGS : 0;
  return { _tag: "BEGIN", destination, port, flags };
};

export const writeBegin = (message: Begin, out: ByteWriter): void => {
  out.raw(Buffer.from(formatAddrPort(message.destination, message.port), "latin1")).u8(0, "NUL");
  if ((message.flags & ~KNOWN_FLAGS) !== 0) out.fail(`flags ${message.flags} are not defined`);
  // Clients leave the flags out if there are none.
  if (message.flags !== 0) out.u32(message.flags, "FLAGS");
};

export const readBeginDir = (): BeginDir => ({ _tag: "BEGIN_DIR" });

export const writeBeginDir = (): void => {};

export const readData = (reader: ByteReader): Data => ({ _tag: "DATA", data: reader.rest() });

export const writeData = (message: Data, out: ByteWriter): void => {
  out.raw(message.data);
};

export const readEnd = (reader: ByteReader): End => {
  // An empty END means MISC, and a malformed address is none: a stream must be closed all the same. tor-spec 6.3.
  const reason = reader.remaining === 0 ? EndReason.MISC : reader.u8("reason");
  if (reason !== EndReason.EXITPOLICY) return { _tag: "END", reason, resolved: undefined };
  const withTtl = reader.remaining === 4 + TTL_LENGTH || reader.remaining === 16 + TTL_LENGTH;
  const address = ipFromBytes(reader.take(reader.remaining - (withTtl ? TTL_LENGTH : 0), "address"));
  if (address === undefined) return { _tag: "END", reason, resolved: undefined };
  return { _tag: "END", reason, resolved: { address, ttl: withTtl ? reader.u32("TTL") : NO_TTL } };
};

export const writeEnd = (message: End, out: ByteWriter): void => {
  out.u8(message.reason, "reason");
  if (message.resolved === undefined) return;
  if (message.reason !== EndReason.EXITPOLICY) out.fail(`reason ${message.reason} takes no address`);
  out.ip(message.resolved.address).u32(message.resolved.ttl, "TTL");
};

export const readConnected = (reader: ByteReader): Connected => {
  if (reader.remaining === 0) return { _tag: "CONNECTED", resolved: undefined };
  let address = reader.ip(4, "IPv4 address");
  if (address.address === CONNECTED_NO_IPV4) {
    const type = reader.u8("address type");
    if (type !== CONNECTED_IPV6) reader.fail("value", `address type ${type} is not 6`, 1);
    address = reader.ip(6, "IPv6 address");
  }
  return { _tag: "CONNECTED", resolved: { address, ttl: reader.u32("TTL") } };
};

export const writeConnected = (message: Connected, out: ByteWriter): void => {
  if (message.resolved === undefined) return;
  const { address, ttl } = message.resolved;
  if (address.family === 4 && address.address === CONNECTED_NO_IPV4) out.fail("0.0.0.0 stands for an IPv6 address");
  if (address.family === 6) out.u32(0, "IPv4 address").u8(CONNECTED_IPV6, "address type");
  out.ip(address).u32(ttl, "TTL");
};

const readVersionZero = (reader: ByteReader): void => {
  const version = reader.u8("version");
  if (version !== 0) reader.fail("value", `version ${version} is not defined`, 1);
};

export const readXoff = (reader: ByteReader): Xoff => {
  readVersionZero(reader);
  return { _tag: "XOFF" };
};

export const writeXoff = (_message: Xoff, out: ByteWriter): void => {
  out.u8(0, "version");
};

export const readXon = (reader: ByteReader): Xon => {
  readVersionZero(reader);
  return { _tag: "XON", kilobytesPerSecond: reader.u32("kbps_ewma") };
};

export const writeXon = (message: Xon, out: ByteWriter): void => {
  out.u8(0, "version").u32(message.kilobytesPerSecond, "kbps_ewma");
};
