import {
  firstPayloads,
  type InboundCrypto,
  type OutboundCrypto,
  type TrainCipher,
  trainCipher,
} from "./relay-crypto.ts";
import { type RelayKeys, relayPayloadLength } from "./relay-keys.ts";
import { looksRecognized, RunningDigest } from "./running-digest.ts";

interface Layer {
  readonly cipher: TrainCipher;
  readonly digest: RunningDigest;
}

/** Nobody known here. */
const unrecognised = -1;

const NO_TAG: Buffer = Buffer.alloc(0);

/**
 * A client's inbound crypto. Each layer's key stream must advance only for cells that came through its hop, so whether a
 * cell ends at a hop must be known before the next layer is peeled: all is decided in `decrypt`, and `origin` looks it up.
 */
class ClientInbound implements InboundCrypto {
  readonly layers: Array<Layer> = [];
  #origins = new Int8Array(32);
  readonly #tags: Array<Buffer> = [];
  #tag = NO_TAG;

  decrypt(slab: Buffer, count: number): Buffer {
    if (this.#origins.length < count) this.#origins = new Int8Array(count);
    const origins = this.#origins.fill(unrecognised, 0, count);
    let plain = firstPayloads(slab, count);
    let open = count;
    const last = this.layers.length - 1;
    for (let hop = 0; hop <= last && open > 0; hop++) {
      const { cipher, digest } = this.layers[hop]!;
      plain = open === count ? cipher.update(plain) : this.#peelOpen(cipher, plain, count);
      for (let index = 0; index < count; index++) {
        const at = index * relayPayloadLength;
        if (origins[index] === unrecognised && looksRecognized(plain, at) && digest.open(plain, at)) {
          origins[index] = hop;
          this.#tags[index] = digest.tag();
          open--;
        }
      }
    }
    return plain;
  }

  origin(_plain: Buffer, index: number): number {
    const hop = this.#origins[index]!;
    if (hop !== unrecognised) this.#tag = this.#tags[index]!;
    return hop;
  }

  tag(): Buffer {
    return this.#tag;
  }

  /** Peels one layer of the cells that no hop has recognised yet, in runs as long as possible, in place. */
  #peelOpen(cipher: TrainCipher, plain: Buffer, count: number): Buffer {
    const origins = this.#origins;
    for (let index = 0; index < count; index++) {
      if (origins[index] !== unrecognised) continue;
      const from = index;
      while (index < count && origins[index] === unrecognised) index++;
      const start = from * relayPayloadLength;
      cipher.update(plain.subarray(start, index * relayPayloadLength)).copy(plain, start);
    }
    return plain;
  }
}

class ClientOutbound implements OutboundCrypto {
  readonly layers: Array<Layer> = [];
  #sealer: RunningDigest | undefined;

  originate(slab: Buffer, index: number, hop: number): void {
    const { digest } = this.layers[hop]!;
    digest.seal(slab, index * relayPayloadLength);
    this.#sealer = digest;
  }

  tag(): Buffer {
    return this.#sealer?.tag() ?? NO_TAG;
  }

  encrypt(slab: Buffer, count: number, hop: number): Buffer {
    let sealed = firstPayloads(slab, count);
    for (let layer = hop; layer >= 0; layer--) sealed = this.layers[layer]!.cipher.update(sealed);
    return sealed;
  }
}

/**
 * The crypto of a circuit at its client (tor-spec 5.5.2.1, 5.5.4): one layer for each hop. The same two interfaces as a
 * relay's, so that the same reactors serve both.
 */
export class ClientCrypto {
  readonly #inbound = new ClientInbound();
  readonly #outbound = new ClientOutbound();

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
