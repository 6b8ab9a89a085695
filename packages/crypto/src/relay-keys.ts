/** Length of a relay cell's payload, which is the stride of a slab (tor-spec 0.2). */
export const relayPayloadLength = 509;
/** Bytes of the tag that a SENDME of version 1 carries (tor-spec 7.3.1). */
export const sendmeTagLength = 20;

/** The algorithms of one kind of relay encryption (tor-spec 5.5, 6.1). */
export interface RelaySuite {
  /** Its name, for logs. */
  readonly name: string;
  /** The platform's name of the stream cipher. */
  readonly cipher: "aes-128-ctr" | "aes-256-ctr";
  /** Bytes of a cipher key. */
  readonly keyLength: number;
  /** The platform's name of the running digest. */
  readonly digest: "sha1" | "sha3-256";
  /** Bytes of a digest, and of the seed of one. */
  readonly digestLength: number;
}

/** What circuits of relays use: AES-128-CTR and SHA-1. */
export const tor1: RelaySuite = {
  name: "tor1",
  cipher: "aes-128-ctr",
  keyLength: 16,
  digest: "sha1",
  digestLength: 20,
};

/** What a client and an onion service use with each other: AES-256-CTR and SHA3-256 (rend-spec-v3, section 4.3). */
export const tor1OnionService: RelaySuite = {
  name: "tor1-hs",
  cipher: "aes-256-ctr",
  keyLength: 32,
  digest: "sha3-256",
  digestLength: 32,
};

/** Bytes of KH, which binds messages of onion services to a circuit. */
export const bindingKeyLength = 20;

/** The keys of one hop of a circuit (tor-spec 5.2). Secret. */
export interface RelayKeys {
  /** The algorithms they are for. */
  readonly suite: RelaySuite;
  /** Df: seed of the running digest away from the client. */
  readonly forwardDigest: Buffer;
  /** Db: seed of the running digest towards the client. */
  readonly backwardDigest: Buffer;
  /** Kf: cipher key away from the client. */
  readonly forwardKey: Buffer;
  /** Kb: cipher key towards the client. */
  readonly backwardKey: Buffer;
  /** KH, 20 bytes. */
  readonly binding: Buffer;
}

/** Bytes that a handshake must give for a suite: Df, Db, Kf, Kb and KH. 92 for {@link tor1}. */
export const keyMaterialLength = (suite: RelaySuite): number =>
  2 * suite.digestLength + 2 * suite.keyLength + bindingKeyLength;

/** Keys as views on the material, each made when it is asked for: most are needed once, or never. */
class SplitKeys implements RelayKeys {
  readonly suite: RelaySuite;
  readonly #material: Buffer;

  constructor(material: Buffer, suite: RelaySuite) {
    this.#material = material;
    this.suite = suite;
  }

  get forwardDigest(): Buffer {
    return this.#material.subarray(0, this.suite.digestLength);
  }

  get backwardDigest(): Buffer {
    return this.#material.subarray(this.suite.digestLength, 2 * this.suite.digestLength);
  }

  get forwardKey(): Buffer {
    const at = 2 * this.suite.digestLength;
    return this.#material.subarray(at, at + this.suite.keyLength);
  }

  get backwardKey(): Buffer {
    const at = 2 * this.suite.digestLength + this.suite.keyLength;
    return this.#material.subarray(at, at + this.suite.keyLength);
  }

  get binding(): Buffer {
    const at = 2 * (this.suite.digestLength + this.suite.keyLength);
    return this.#material.subarray(at, at + bindingKeyLength);
  }
}

/**
 * Splits what a handshake gave into keys: Df | Db | Kf | Kb | KH (tor-spec 5.2.2).
 *
 * @param material at least {@link keyMaterialLength} bytes
 */
export const splitKeyMaterial = (material: Buffer, suite: RelaySuite = tor1): RelayKeys =>
  new SplitKeys(material, suite);
