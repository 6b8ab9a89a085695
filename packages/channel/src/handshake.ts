import { createHash, type Hash } from "node:crypto";
import {
  AuthMethod,
  type CellDecoder,
  CellError,
  type Certs,
  encodeChannelMessage,
  type IpAddress,
  type Netinfo,
  readFirstMessage,
  readHandshakeAsInitiator,
  readHandshakeAsResponder,
} from "@allium/cell";
import { CertificateError, equalBytes } from "@allium/crypto";
import { LinkHandshakeError } from "./errors.ts";
import { authenticateBody, checkAuthenticate, RAND_BYTES, type Transcript } from "./handshake-authenticate.ts";
import { type VerifiedCerts, verifyInitiatorCerts, verifyResponderCerts } from "./handshake-certs.ts";
import type { LinkIdentity, PeerIdentity } from "./link-identity.ts";
import type { TlsBinding } from "./transport.ts";

/** Whom the initiator wants to reach: it may know one identity or both. */
export type ExpectedPeer = Partial<PeerIdentity>;

/** What both roles need. */
export interface HandshakeOptions {
  readonly tls: TlsBinding;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly random: (length: number) => Buffer;
  /** The other side's address as this side sees it. */
  readonly peerAddress: IpAddress;
  /** This side's addresses that a peer may know it by; a client gives none. */
  readonly ownAddresses: ReadonlyArray<IpAddress>;
}

/** What a finished handshake has established. */
export interface Established {
  readonly linkProtocol: number;
  /** Who the other side has proved to be; `undefined` for a client, which proves nothing. */
  readonly peer: PeerIdentity | undefined;
  readonly netinfo: Netinfo;
  /** How far the peer's clock is ahead of ours, in seconds, or `undefined` if it did not say. */
  readonly clockSkew: number | undefined;
}

/** Link protocols that we offer: those with four-byte circuit IDs. */
export const OFFERED_LINK_PROTOCOLS: ReadonlyArray<number> = [4, 5];

/**
 * The link handshake (tor-spec, "Negotiating and initializing connections"), without IO: cells go in, bytes to send come
 * out, and in the end there is a result. After an error nothing more may be given to it.
 *
 * | state | initiator receives | responder receives |
 * | --- | --- | --- |
 * | versions | VERSIONS | VERSIONS |
 * | certs | CERTS, then AUTH_CHALLENGE, then NETINFO | CERTS and AUTHENTICATE, or neither, then NETINFO |
 * | done | | |
 */
export interface LinkHandshake {
  /** What to send before anything has come. */
  readonly start: () => Buffer;
  /**
   * Handles the cell that the decoder stands on; returns what to send now.
   * @throws LinkHandshakeError
   */
  readonly onCell: (cell: CellDecoder) => Buffer;
  /** Set when the handshake is over. */
  readonly result: () => Established | undefined;
}

const NOTHING = Buffer.alloc(0);

const refuse = (problem: LinkHandshakeError["problem"], where: string, detail: string): LinkHandshakeError =>
  new LinkHandshakeError({ problem, where, detail });

/** Maps what the codecs and the certificate checks throw to the handshake's one error. */
const guarded = <A>(where: string, run: () => A): A => {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof CellError) {
      throw refuse(cause.problem === "unexpected" ? "unexpectedCell" : "malformedCell", cause.subject, cause.message);
    }
    if (cause instanceof CertificateError)
      throw new LinkHandshakeError({ problem: "badCertificate", where, detail: cause.message, cause });
    throw cause;
  }
};

/** What the two roles share: versions, transcripts, NETINFO. */
abstract class Handshake implements LinkHandshake {
  protected readonly options: HandshakeOptions;
  /** Hash of all that was sent, and of all that was received. */
  protected readonly sent: Hash = createHash("sha256");
  protected readonly received: Hash = createHash("sha256");
  protected linkProtocol = 0;
  private established: Established | undefined;
  private sendingTranscript = true;

  constructor(options: HandshakeOptions) {
    this.options = options;
  }

  abstract start(): Buffer;
  protected abstract onVersions(): Buffer;
  protected abstract onHandshakeCell(cell: CellDecoder): Buffer;

  onCell(cell: CellDecoder): Buffer {
    this.received.update(cell.bytes.subarray(cell.cellStart, cell.end));
    if (this.established !== undefined) throw refuse("unexpectedCell", "handshake", "it was over");
    if (this.linkProtocol !== 0) return guarded("CERTS", () => this.onHandshakeCell(cell));
    const message = guarded("VERSIONS", () => readFirstMessage(cell));
    if (message._tag !== "VERSIONS") return NOTHING;
    const common = message.versions.filter((version) => OFFERED_LINK_PROTOCOLS.includes(version));
    if (common.length === 0) {
      throw refuse("noCommonVersion", "VERSIONS", `the peer offers ${message.versions.join(", ") || "none"}`);
    }
    this.linkProtocol = Math.max(...common);
    cell.setLinkProtocol(this.linkProtocol);
    return this.onVersions();
  }

  result(): Established | undefined {
    return this.established;
  }

  protected record(bytes: Buffer): Buffer {
    if (this.sendingTranscript) this.sent.update(bytes);
    return bytes;
  }

  /** Bytes sent from here on are not part of the transcript that AUTHENTICATE signs. */
  protected freezeSent(): Buffer {
    this.sendingTranscript = false;
    return this.sent.copy().digest();
  }

  protected versions(): Buffer {
    return this.record(encodeChannelMessage(0, { _tag: "VERSIONS", versions: OFFERED_LINK_PROTOCOLS }));
  }

  protected netinfo(timestamp: number): Buffer {
    return this.record(
      encodeChannelMessage(0, {
        _tag: "NETINFO",
        timestamp,
        otherAddress: this.options.peerAddress,
        myAddresses: this.options.ownAddresses,
      }),
    );
  }

  protected finish(peer: PeerIdentity | undefined, netinfo: Netinfo): void {
    const clockSkew = netinfo.timestamp === 0 ? undefined : netinfo.timestamp - Math.floor(this.options.now() / 1000);
    this.established = { linkProtocol: this.linkProtocol, peer, netinfo, clockSkew };
  }
}

class Initiator extends Handshake {
  private readonly identity: LinkIdentity | undefined;
  private readonly expected: ExpectedPeer;
  private verified: VerifiedCerts | undefined;
  private answered = false;

  constructor(options: HandshakeOptions, identity: LinkIdentity | undefined, expected: ExpectedPeer) {
    super(options);
    this.identity = identity;
    this.expected = expected;
  }

  start(): Buffer {
    return this.versions();
  }

  protected onVersions(): Buffer {
    return NOTHING;
  }

  protected onHandshakeCell(cell: CellDecoder): Buffer {
    const message = readHandshakeAsInitiator(cell);
    switch (message._tag) {
      case "CERTS":
        this.onCerts(message);
        return NOTHING;
      case "AUTH_CHALLENGE":
        return this.onChallenge(message.methods);
      case "NETINFO": {
        if (this.verified === undefined) throw refuse("unexpectedCell", "NETINFO", "before CERTS");
        if (this.identity !== undefined && !this.answered) {
          throw refuse("unexpectedCell", "NETINFO", "before AUTH_CHALLENGE");
        }
        this.finish(this.verified.identity, message);
        // A client gives no time, so as not to be recognised by its clock.
        return this.identity === undefined ? this.netinfo(0) : NOTHING;
      }
      default:
        // VPADDING and AUTHORIZE are dropped, and so are VERSIONS after the first.
        return NOTHING;
    }
  }

  private onCerts(message: Certs): void {
    if (this.verified !== undefined) throw refuse("unexpectedCell", "CERTS", "for the second time");
    const tlsDigest = this.options.tls.peerCertificateDigest;
    if (tlsDigest === undefined) throw refuse("badCertificate", "TLS", "the responder presented no certificate");
    const verified = verifyResponderCerts(message, tlsDigest, this.options.now());
    const { ed25519Id, rsaId } = this.expected;
    if (ed25519Id !== undefined && !equalBytes(ed25519Id, verified.identity.ed25519Id)) {
      throw refuse("wrongIdentity", "CERTS", "the Ed25519 identity is not the one we wanted to reach");
    }
    if (rsaId !== undefined && !equalBytes(rsaId, verified.identity.rsaId)) {
      throw refuse("wrongIdentity", "CERTS", "the RSA identity is not the one we wanted to reach");
    }
    if (this.identity !== undefined && equalBytes(this.identity.peer.ed25519Id, verified.identity.ed25519Id)) {
      throw refuse("self", "CERTS", "we reached ourselves");
    }
    this.verified = verified;
  }

  private onChallenge(methods: ReadonlyArray<number>): Buffer {
    if (this.verified === undefined) throw refuse("unexpectedCell", "AUTH_CHALLENGE", "before CERTS");
    if (this.answered) throw refuse("unexpectedCell", "AUTH_CHALLENGE", "for the second time");
    this.answered = true;
    const { identity, verified } = this;
    if (identity === undefined) return NOTHING;
    const timestamp = Math.floor(this.options.now() / 1000);
    if (!methods.includes(AuthMethod.ED25519_SHA256_RFC5705)) return this.netinfo(timestamp);
    const certs = this.record(encodeChannelMessage(0, { _tag: "CERTS", certs: identity.initiatorCerts }));
    const transcript: Transcript = {
      responder: this.received.copy().digest(),
      initiator: this.freezeSent(),
    };
    const body = authenticateBody({
      initiator: { ed25519Id: identity.peer.ed25519Id, rsaId256: identity.rsaId256 },
      responder: { ed25519Id: verified.identity.ed25519Id, rsaId256: verified.rsaId256 },
      transcript,
      responderCertificateDigest: this.options.tls.peerCertificateDigest ?? NOTHING,
      tls: this.options.tls,
    });
    const signed = Buffer.concat([body, this.options.random(RAND_BYTES)]);
    const authentication = Buffer.concat([signed, identity.authenticationKey.sign(signed)]);
    const authenticate = encodeChannelMessage(0, {
      _tag: "AUTHENTICATE",
      method: AuthMethod.ED25519_SHA256_RFC5705,
      authentication,
    });
    return Buffer.concat([certs, authenticate, this.netinfo(timestamp)]);
  }
}

class Responder extends Handshake {
  private readonly identity: LinkIdentity;
  private claimed: VerifiedCerts | undefined;
  private proven: PeerIdentity | undefined;
  private sentTranscript: Buffer = NOTHING;
  private initiatorTranscript: Buffer = NOTHING;

  constructor(options: HandshakeOptions, identity: LinkIdentity) {
    super(options);
    this.identity = identity;
  }

  start(): Buffer {
    return NOTHING;
  }

  protected onVersions(): Buffer {
    const versions = this.versions();
    const certs = this.record(encodeChannelMessage(0, { _tag: "CERTS", certs: this.identity.responderCerts }));
    const challenge = this.record(
      encodeChannelMessage(0, {
        _tag: "AUTH_CHALLENGE",
        challenge: this.options.random(CHALLENGE_BYTES),
        methods: [AuthMethod.ED25519_SHA256_RFC5705],
      }),
    );
    this.sentTranscript = this.freezeSent();
    return Buffer.concat([versions, certs, challenge, this.netinfo(Math.floor(this.options.now() / 1000))]);
  }

  protected onHandshakeCell(cell: CellDecoder): Buffer {
    const message = readHandshakeAsResponder(cell);
    switch (message._tag) {
      case "CERTS":
        if (this.claimed !== undefined) throw refuse("unexpectedCell", "CERTS", "for the second time");
        this.claimed = verifyInitiatorCerts(message, this.options.now());
        this.initiatorTranscript = this.received.copy().digest();
        break;
      case "AUTHENTICATE": {
        if (this.claimed === undefined) throw refuse("unexpectedCell", "AUTHENTICATE", "before CERTS");
        if (this.proven !== undefined) throw refuse("unexpectedCell", "AUTHENTICATE", "for the second time");
        if (message.method !== AuthMethod.ED25519_SHA256_RFC5705) {
          throw refuse("badAuthenticate", "AUTHENTICATE", `method ${message.method} was not offered`);
        }
        const expected = authenticateBody({
          initiator: { ed25519Id: this.claimed.identity.ed25519Id, rsaId256: this.claimed.rsaId256 },
          responder: { ed25519Id: this.identity.peer.ed25519Id, rsaId256: this.identity.rsaId256 },
          transcript: { responder: this.sentTranscript, initiator: this.initiatorTranscript },
          responderCertificateDigest: this.options.tls.ownCertificateDigest ?? NOTHING,
          tls: this.options.tls,
        });
        const problem = checkAuthenticate(message.authentication, expected, this.claimed.subjectKey);
        if (problem !== undefined) throw refuse("badAuthenticate", "AUTHENTICATE", problem);
        if (equalBytes(this.identity.peer.ed25519Id, this.claimed.identity.ed25519Id)) {
          throw refuse("self", "AUTHENTICATE", "we reached ourselves");
        }
        this.proven = this.claimed.identity;
        break;
      }
      case "NETINFO":
        this.finish(this.proven, message);
        break;
      default:
        break;
    }
    return NOTHING;
  }
}

/**
 * The handshake of the side that connected. Without an identity it stays anonymous, as a client does. The responder must
 * prove an identity in any case, and the expected one where it is known.
 */
export const initiatorHandshake = (
  options: HandshakeOptions,
  identity: LinkIdentity | undefined,
  expected: ExpectedPeer,
): LinkHandshake => new Initiator(options, identity, expected);

/** The handshake of the side that was connected to. */
export const responderHandshake = (options: HandshakeOptions, identity: LinkIdentity): LinkHandshake =>
  new Responder(options, identity);

/** Challenge of an AUTH_CHALLENGE cell. */
const CHALLENGE_BYTES = 32;
