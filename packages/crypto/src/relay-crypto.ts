import { createCipheriv } from "node:crypto";
import { type RelayKeys, type RelaySuite, relayPayloadLength } from "./relay-keys.ts";
import { looksRecognized, RunningDigest } from "./running-digest.ts";

/**
 * Cells that arrive from the near channel: what an ingress reactor holds. A train is a *slab*: payloads of 509 bytes back to
 * back, without cell headers.
 */
export interface InboundCrypto {
  /**
   * Decrypts `count` payloads in one cipher call per layer.
   *
   * @param slab `count` payloads; must not be used afterwards
   * @returns the plain slab, owned by the caller
   */
  decrypt(slab: Buffer, count: number): Buffer;
  /**
   * The hop that the plain cell at `index` came from (a relay has one, 0: recognised here), or -1 if nobody's known here.
   * Must be asked once for each cell of the slab that {@link decrypt} returned last, in order.
   */
  origin(plain: Buffer, index: number): number;
  /** The tag of the cell that {@link origin} recognised last, 20 bytes: goes into a SENDME (tor-spec 7.3.1). */
  tag(): Buffer;
}

/** Cells that leave towards the near channel: what an egress reactor holds. */
export interface OutboundCrypto {
  /**
   * Seals the message at `index` of a slab for `hop`: fills its `recognized` and digest fields. In the order in which the
   * cells will be encrypted. A relay has one hop, 0: the client.
   */
  originate(slab: Buffer, index: number, hop: number): void;
  /** The tag of the cell that {@link originate} sealed last, 20 bytes: what the peer must echo in its SENDME. */
  tag(): Buffer;
  /**
   * Encrypts `count` payloads, which {@link originate} sealed or which the far channel brought, for `hop`.
   *
   * @param slab must not be used afterwards
   * @returns the slab to send, owned by the caller
   */
  encrypt(slab: Buffer, count: number, hop: number): Buffer;
}

/** A stream cipher that is called once for each train. */
export interface TrainCipher {
  /** Applies the next `bytes.length` bytes of the key stream; the result is new memory. */
  update(bytes: Buffer): Buffer;
}

/** The stream cipher of one direction of one hop: counter mode from zero (tor-spec 0.3). Decrypting is the same operation. */
export const trainCipher = (suite: RelaySuite, key: Buffer): TrainCipher =>
  createCipheriv(suite.cipher, key, Buffer.alloc(16));

/** The first `count` payloads of a slab, without a view when it has no more. */
export const firstPayloads = (slab: Buffer, count: number): Buffer => {
  const length = count * relayPayloadLength;
  return slab.length === length ? slab : slab.subarray(0, length);
};

/**
 * One direction of a relay's layer. The platform's objects are made with the first cell: a circuit that ends here and is idle, as
 * most are, has none.
 */
class Direction {
  #keys: RelayKeys | undefined;
  readonly #forward: boolean;
  #cipher: TrainCipher | undefined;
  #digest: RunningDigest | undefined;

  constructor(keys: RelayKeys, forward: boolean) {
    this.#keys = keys;
    this.#forward = forward;
  }

  get cipher(): TrainCipher {
    if (this.#cipher === undefined) this.#make();
    return this.#cipher as TrainCipher;
  }

  get digest(): RunningDigest {
    if (this.#digest === undefined) this.#make();
    return this.#digest as RunningDigest;
  }

  #make(): void {
    const keys = this.#keys as RelayKeys;
    this.#cipher = trainCipher(keys.suite, this.#forward ? keys.forwardKey : keys.backwardKey);
    this.#digest = new RunningDigest(keys.suite, this.#forward ? keys.forwardDigest : keys.backwardDigest);
    // Nobody needs them any more.
    this.#keys = undefined;
  }
}

class RelayInbound implements InboundCrypto {
  readonly #layer: Direction;

  constructor(keys: RelayKeys) {
    this.#layer = new Direction(keys, true);
  }

  decrypt(slab: Buffer, count: number): Buffer {
    return this.#layer.cipher.update(firstPayloads(slab, count));
  }

  origin(plain: Buffer, index: number): number {
    const at = index * relayPayloadLength;
    return looksRecognized(plain, at) && this.#layer.digest.open(plain, at) ? 0 : -1;
  }

  tag(): Buffer {
    return this.#layer.digest.tag();
  }
}

class RelayOutbound implements OutboundCrypto {
  readonly #layer: Direction;

  constructor(keys: RelayKeys) {
    this.#layer = new Direction(keys, false);
  }

  originate(slab: Buffer, index: number, _hop: number): void {
    this.#layer.digest.seal(slab, index * relayPayloadLength);
  }

  tag(): Buffer {
    return this.#layer.digest.tag();
  }

  encrypt(slab: Buffer, count: number, _hop: number): Buffer {
    return this.#layer.cipher.update(firstPayloads(slab, count));
  }
}

/** The two halves of a relay's crypto for one circuit; see {@link relayCrypto}. */
export interface RelayCrypto {
  /** From the client, for ingress. */
  readonly inbound: InboundCrypto;
  /** To the client, for egress. */
  readonly outbound: OutboundCrypto;
}

/** The crypto of a circuit at a relay (tor-spec 5.5.2.2, 5.5.3.1). */
export const relayCrypto = (keys: RelayKeys): RelayCrypto => ({
  inbound: new RelayInbound(keys),
  outbound: new RelayOutbound(keys),
});
