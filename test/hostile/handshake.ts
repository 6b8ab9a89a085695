import { createHash } from "node:crypto";
import { AuthMethod, type CellCert, ChannelCommand, encodeChannelMessage } from "@allium/cell";
import { parseEd25519Certificate, parseX509, rsaIdentityDigest256, verifyRsaIdentityCertificate } from "@allium/crypto";
import { type HostileIdentity, randomBytes } from "./identity.ts";
import { type LinkPeer, rawCell, variableCell } from "./link-peer.ts";

const sha256 = (parts: ReadonlyArray<Buffer>): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** A VERSIONS cell with any body. */
export const versionsCell = (versions: ReadonlyArray<number>): Buffer => {
  const body = Buffer.alloc(2 * versions.length);
  versions.forEach((version, index) => {
    body.writeUInt16BE(version, 2 * index);
  });
  return rawCell(0, ChannelCommand.VERSIONS, body, body.length, 2);
};

/** A CERTS cell with any list of certificates, the same type twice among them. */
export const certsCell = (certs: ReadonlyArray<CellCert>, count = certs.length): Buffer =>
  variableCell(
    ChannelCommand.CERTS,
    Buffer.concat([
      Buffer.of(count),
      ...certs.flatMap(({ type, body }) => [Buffer.of(type, body.length >>> 8, body.length & 0xff), body]),
    ]),
  );

/** A NETINFO cell as it should be: a client's, unless it says the time. */
export const netinfoCell = (timestamp = 0): Buffer =>
  encodeChannelMessage(0, {
    _tag: "NETINFO",
    timestamp,
    otherAddress: { family: 4, address: "127.0.0.1" },
    myAddresses: [],
  });

/** Sends VERSIONS and waits for all that a responder has to say. */
export const hello = async (peer: LinkPeer, versions: ReadonlyArray<number> = [4, 5]): Promise<void> => {
  peer.send(versionsCell(versions));
  await peer.take(ChannelCommand.NETINFO);
};

/** The fields of an AUTHENTICATE of type 3, in their order (tor-spec 4.4.2). */
export interface AuthenticateFields {
  readonly method: number;
  readonly type: Buffer;
  readonly initiatorRsa: Buffer;
  readonly responderRsa: Buffer;
  readonly initiatorEd25519: Buffer;
  readonly responderEd25519: Buffer;
  readonly responderLog: Buffer;
  readonly initiatorLog: Buffer;
  readonly responderCertificate: Buffer;
  readonly tlsSecrets: Buffer;
  readonly random: Buffer;
}

/** The bodies of the certificates in a CERTS cell that came, by their type. */
const certificatesOf = (body: Buffer): ReadonlyMap<number, Buffer> => {
  const found = new Map<number, Buffer>();
  for (let at = 1; at + 3 <= body.length; ) {
    const length = body.readUInt16BE(at + 1);
    found.set(body[at] as number, body.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  return found;
};

/**
 * An AUTHENTICATE cell for the session, after the responder has said all and CERTS was sent; with `change` one that differs
 * from what it should be.
 */
export const authenticateCell = (
  peer: LinkPeer,
  identity: HostileIdentity,
  change: {
    readonly fields?: Partial<AuthenticateFields>;
    /** What becomes of the cell's Authentication field after it was signed. */
    readonly signed?: (authentication: Buffer) => Buffer;
    /** Whose signature it is, instead of the authentication key's. */
    readonly sign?: (message: Buffer) => Buffer;
  } = {},
): Buffer => {
  const responder = certificatesOf(
    peer.heard.find(({ command }) => command === ChannelCommand.CERTS)?.body ?? Buffer.of(0),
  );
  const rsa = verifyRsaIdentityCertificate(parseX509(responder.get(2) ?? Buffer.alloc(0)), Date.now());
  const lastHeard = peer.heard.findIndex(({ command }) => command === ChannelCommand.AUTH_CHALLENGE);
  const fields: AuthenticateFields = {
    method: AuthMethod.ED25519_SHA256_RFC5705,
    type: Buffer.from("AUTH0003", "latin1"),
    initiatorRsa: identity.link.rsaId256,
    responderRsa: rsaIdentityDigest256(rsa),
    initiatorEd25519: identity.master.publicKey,
    responderEd25519: parseEd25519Certificate(responder.get(4) ?? Buffer.alloc(0)).signingKey ?? Buffer.alloc(32),
    responderLog: sha256(peer.heard.slice(0, lastHeard + 1).map(({ raw }) => raw)),
    initiatorLog: sha256(peer.sent),
    responderCertificate: peer.certificateDigest,
    tlsSecrets: peer.socket.exportKeyingMaterial(
      32,
      "EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003",
      identity.link.rsaId256,
    ),
    random: randomBytes(24),
    ...change.fields,
  };
  const { method, ...rest } = fields;
  const message = Buffer.concat([
    rest.type,
    rest.initiatorRsa,
    rest.responderRsa,
    rest.initiatorEd25519,
    rest.responderEd25519,
    rest.responderLog,
    rest.initiatorLog,
    rest.responderCertificate,
    rest.tlsSecrets,
    rest.random,
  ]);
  const sign = change.sign ?? ((bytes: Buffer) => identity.link.authenticationKey.sign(bytes));
  const authentication = Buffer.concat([message, sign(message)]);
  const body = change.signed?.(authentication) ?? authentication;
  return variableCell(
    ChannelCommand.AUTHENTICATE,
    Buffer.concat([Buffer.of(method >>> 8, method & 0xff, body.length >>> 8, body.length & 0xff), body]),
  );
};

/** A whole handshake as a relay. */
export const authenticate = async (peer: LinkPeer, identity: HostileIdentity): Promise<void> => {
  await hello(peer);
  peer.send(certsCell(identity.link.initiatorCerts));
  peer.send(authenticateCell(peer, identity), netinfoCell(Math.floor(Date.now() / 1000)));
};

/** What a responder says after VERSIONS. */
export const responderCells = (certs: ReadonlyArray<CellCert>): ReadonlyArray<Buffer> => [
  certsCell(certs),
  encodeChannelMessage(0, {
    _tag: "AUTH_CHALLENGE",
    challenge: randomBytes(32),
    methods: [AuthMethod.ED25519_SHA256_RFC5705],
  }),
  netinfoCell(Math.floor(Date.now() / 1000)),
];
