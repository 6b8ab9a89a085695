import {
  firstPayloads,
  type InboundCrypto,
  type OutboundCrypto,
  type TrainCipher,
  trainCipher,
} from "./relay-crypto.ts";
import { type RelayKeys, relayPayloadLength, sendmeTagLength } from "./relay-keys.ts";
import { looksRecognized, MAX_DIGEST_BYTES, RunningDigest } from "./running-digest.ts";

interface Layer {
  readonly cipher: TrainCipher;
  readonly digest: RunningDigest;
}

/** Nobody known here. */
const unrecognised = -1;

const NO_TAG: Buffer = Buffer.alloc(0);

/** Cells of a usual train. */
const TRAIN = 32;

/** Told of memory that is not needed any more: between two layers there is a slab that nobody else ever sees. */
export type Release = (bytes: Buffer) => void;

/**
 * A client's inbound crypto. Each layer's key stream must advance only for cells that came through its hop, so whether a
 * cell ends at a hop must be known before the next layer is peeled: all is decided in `decrypt`, and `origin` looks it up.
 */
class ClientInbound implements InboundCrypto {
  readonly layers: Array<Layer> = [];
  readonly #release: Release;
  #origins = new Int8Array(TRAIN);
  /** The tag of each cell: one in thirty is asked for, and nobody knows yet which. */
  #tags = Buffer.alloc(TRAIN * MAX_DIGEST_BYTES);
  #recognised = -1;

  constructor(release: Release) {
    this.#release = release;
  }

  decrypt(slab: Buffer, count: number): Buffer {
    if (this.#origins.length < count) {
      this.#origins = new Int8Array(count);
      this.#tags = Buffer.alloc(count * MAX_DIGEST_BYTES);
    }
    const origins = this.#origins.fill(unrecognised, 0, count);
    const sealed = firstPayloads(slab, count);
    let plain = sealed;
    let open = count;
    const last = this.layers.length - 1;
    for (let hop = 0; hop <= last && open > 0; hop++) {
      const { cipher, digest } = this.layers[hop]!;
      if (open === count) {
        const layered = plain;
        plain = cipher.update(layered);
        if (layered !== sealed) this.#release(layered);
      } else this.#peelOpen(cipher, plain, count);
      for (let index = 0; index < count; index++) {
        const at = index * relayPayloadLength;
        if (origins[index] === unrecognised && looksRecognized(plain, at) && digest.open(plain, at)) {
          origins[index] = hop;
          digest.tagInto(this.#tags, index * MAX_DIGEST_BYTES);
          open--;
        }
      }
    }
    return plain;
  }

  origin(_plain: Buffer, index: number): number {
    const hop = this.#origins[index]!;
    if (hop !== unrecognised) this.#recognised = index;
    return hop;
  }

  tag(): Buffer {
    if (this.#recognised < 0) return NO_TAG;
    const at = this.#recognised * MAX_DIGEST_BYTES;
    return Buffer.from(this.#tags.subarray(at, at + sendmeTagLength));
  }

  /** Peels one layer of the cells that no hop has recognised yet, in runs as long as possible, in place. */
  #peelOpen(cipher: TrainCipher, plain: Buffer, count: number): void {
    const origins = this.#origins;
    for (let index = 0; index < count; index++) {
      if (origins[index] !== unrecognised) continue;
      const from = index;
      while (index < count && origins[index] === unrecognised) index++;
      const start = from * relayPayloadLength;
      cipher.update(plain.subarray(start, index * relayPayloadLength)).copy(plain, start);
    }
  }
}

class ClientOutbound implements OutboundCrypto {
  readonly layers: Array<Layer> = [];
  readonly #release: Release;
  #sealer: RunningDigest | undefined;

  constructor(release: Release) {
    this.#release = release;
  }

  originate(slab: Buffer, index: number, hop: number): void {
    const { digest } = this.layers[hop]!;
    digest.seal(slab, index * relayPayloadLength);
    this.#sealer = digest;
  }

  tag(): Buffer {
    return this.#sealer?.tag() ?? NO_TAG;
  }

  encrypt(slab: Buffer, count: number, hop: number): Buffer {
    const plain = firstPayloads(slab, count);
    let sealed = plain;
    for (let layer = hop; layer >= 0; layer--) {
      const layered = sealed;
      sealed = this.layers[layer]!.cipher.update(layered);
      if (layered !== plain) this.#release(layered);
    }
    return sealed;
  }
}

/**
 * The crypto of a circuit at its client (tor-spec 5.5.2.1, 5.5.4): one layer for each hop. The same two interfaces as a
 * relay's, so that the same reactors serve both.
 */
export class ClientCrypto {
  readonly #inbound: ClientInbound;
  readonly #outbound: ClientOutbound;

  /** @param release takes slabs back that nobody else has seen; by default the garbage collector does */
  constructor(release: Release = () => {}) {
    this.#inbound = new ClientInbound(release);
    this.#outbound = new ClientOutbound(release);
  }

  /** From the hops, for ingress. */
  get inbound(): InboundCrypto {
    return this.#inbound;
  }

  /** To the hops, for egress. `hop` must be one that was added. */
  get outbound(): OutboundCrypto {
    return this.#outbound;
  }

  /** How many hops the circuit has. */
  get hops(): number {
    return this.#inbound.layers.length;
  }

  /**
   * Adds the hop behind the last one, between two trains.
   *
   * @returns its number, from 0
   */
  addHop(keys: RelayKeys): number {
    const { suite } = keys;
    this.#outbound.layers.push({
      cipher: trainCipher(suite, keys.forwardKey),
      digest: new RunningDigest(suite, keys.forwardDigest),
    });
    return (
      this.#inbound.layers.push({
        cipher: trainCipher(suite, keys.backwardKey),
        digest: new RunningDigest(suite, keys.backwardDigest),
      }) - 1
    );
  }
}
