import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import type { IpAddress } from "../ip.ts";
import { ipLength } from "../ip.ts";

/** LSTYPE of the link specifiers that are defined. tor-spec 5.1.2. */
export const LinkSpecifierType = { TLS_TCP_IPV4: 0, TLS_TCP_IPV6: 1, RSA_ID: 2, ED25519_ID: 3 } as const;

/** An address to reach the relay at. */
export interface TlsTcpSpecifier {
  readonly _tag: "TLS_TCP";
  readonly address: IpAddress;
  readonly port: number;
}

/** SHA-1 of the relay's RSA identity key, 20 bytes. */
export interface RsaIdSpecifier {
  readonly _tag: "RSA_ID";
  readonly id: Buffer;
}

/** The relay's Ed25519 identity key, 32 bytes. */
export interface Ed25519IdSpecifier {
  readonly _tag: "ED25519_ID";
  readonly id: Buffer;
}

/** A specifier of a type that is not defined: to be ignored, and kept when specifiers are passed on. */
export interface UnknownSpecifier {
  readonly _tag: "UNKNOWN";
  readonly type: number;
  readonly body: Buffer;
}

/** One thing that EXTEND2 says about the relay to extend to. tor-spec 5.1.2. */
export type LinkSpecifier = TlsTcpSpecifier | RsaIdSpecifier | Ed25519IdSpecifier | UnknownSpecifier;

const RSA_ID_LENGTH = 20;
const ED25519_ID_LENGTH = 32;
const PORT_LENGTH = 2;

/** LSTYPE of a specifier. */
export const linkSpecifierType = (specifier: LinkSpecifier): number => {
  switch (specifier._tag) {
    case "TLS_TCP":
      return specifier.address.family === 4 ? LinkSpecifierType.TLS_TCP_IPV4 : LinkSpecifierType.TLS_TCP_IPV6;
    case "RSA_ID":
      return LinkSpecifierType.RSA_ID;
    case "ED25519_ID":
      return LinkSpecifierType.ED25519_ID;
    case "UNKNOWN":
      return specifier.type;
  }
};

/** Types in the order in which they should be sent, so that clients look alike; others follow. tor-spec 5.1.2. */
const sendingOrder: ReadonlyArray<number> = [
  LinkSpecifierType.TLS_TCP_IPV4,
  LinkSpecifierType.RSA_ID,
  LinkSpecifierType.ED25519_ID,
  LinkSpecifierType.TLS_TCP_IPV6,
];

/** The specifiers in the order in which a client should send them: IPv4, RSA, Ed25519, IPv6. tor-spec 5.1.2. */
export const orderLinkSpecifiers = (specifiers: ReadonlyArray<LinkSpecifier>): ReadonlyArray<LinkSpecifier> => {
  const rank = (specifier: LinkSpecifier): number => {
    const place = sendingOrder.indexOf(linkSpecifierType(specifier));
    return place < 0 ? sendingOrder.length : place;
  };
  return [...specifiers].sort((one, other) => rank(one) - rank(other));
};

const readTlsTcp = (reader: ByteReader, length: number, family: 4 | 6): TlsTcpSpecifier => {
  if (length !== ipLength(family) + PORT_LENGTH)
    reader.fail("length", `an IPv${family} specifier of ${length} bytes`, 1);
  return { _tag: "TLS_TCP", address: reader.ip(family, "address"), port: reader.u16("port") };
};

const readId = (reader: ByteReader, length: number, expected: number): Buffer => {
  if (length !== expected) reader.fail("length", `an identity of ${length} bytes, not ${expected}`, 1);
  return reader.take(length, "identity");
};

const readSpecifier = (reader: ByteReader): LinkSpecifier => {
  const type = reader.u8("LSTYPE");
  const length = reader.u8("LSLEN");
  switch (type) {
    case LinkSpecifierType.TLS_TCP_IPV4:
      return readTlsTcp(reader, length, 4);
    case LinkSpecifierType.TLS_TCP_IPV6:
      return readTlsTcp(reader, length, 6);
    case LinkSpecifierType.RSA_ID:
      return { _tag: "RSA_ID", id: readId(reader, length, RSA_ID_LENGTH) };
    case LinkSpecifierType.ED25519_ID:
      return { _tag: "ED25519_ID", id: readId(reader, length, ED25519_ID_LENGTH) };
    default:
      return { _tag: "UNKNOWN", type, body: reader.take(length, "link specifier") };
  }
};

/** Reads NSPEC and the specifiers, of which at most one may be an RSA identity and one an Ed25519 identity. tor-spec 5.1.2. */
export const readLinkSpecifiers = (reader: ByteReader): ReadonlyArray<LinkSpecifier> => {
  const count = reader.u8("NSPEC");
  const specifiers: Array<LinkSpecifier> = [];
  const identities = new Set<string>();
  for (let index = 0; index < count; index++) {
    const specifier = readSpecifier(reader);
    if (specifier._tag === "RSA_ID" || specifier._tag === "ED25519_ID") {
      if (identities.has(specifier._tag)) reader.fail("duplicate", `second ${specifier._tag}`, specifier.id.length + 2);
      identities.add(specifier._tag);
    }
    specifiers.push(specifier);
  }
  return specifiers;
};

const writeSpecifier = (specifier: LinkSpecifier, out: ByteWriter): void => {
  out.u8(linkSpecifierType(specifier), "LSTYPE");
  switch (specifier._tag) {
    case "TLS_TCP":
      out.u8(ipLength(specifier.address.family) + PORT_LENGTH, "LSLEN");
      out.ip(specifier.address).u16(specifier.port, "port");
      return;
    case "RSA_ID":
      out.u8(RSA_ID_LENGTH, "LSLEN").fixed(specifier.id, RSA_ID_LENGTH, "RSA identity");
      return;
    case "ED25519_ID":
      out.u8(ED25519_ID_LENGTH, "LSLEN").fixed(specifier.id, ED25519_ID_LENGTH, "Ed25519 identity");
      return;
    case "UNKNOWN":
      out.u8(specifier.body.length, "LSLEN").raw(specifier.body);
  }
};

/** Writes NSPEC and the specifiers, in the order given: see {@link orderLinkSpecifiers}. */
export const writeLinkSpecifiers = (specifiers: ReadonlyArray<LinkSpecifier>, out: ByteWriter): void => {
  out.u8(specifiers.length, "NSPEC");
  for (const specifier of specifiers) writeSpecifier(specifier, out);
};
