import { slabBytes } from "@allium/channel";
import type { InboundCrypto, OutboundCrypto } from "@allium/crypto";

/** A tag that only the cell has which it belongs to: its place among all cells of its direction. */
const tagOf = (cells: number): Buffer => {
  const tag = Buffer.alloc(20);
  tag.writeUInt32BE(cells);
  return tag;
};

/** Cells come as they were sent: what is simulated is their ways, not their secrecy. */
export class PlainInbound implements InboundCrypto {
  private cells = 0;

  /** A copy, as a cipher's: the slab goes back to the inbox. */
  decrypt(slab: Buffer, count: number): Buffer {
    return Buffer.from(slab.subarray(0, slabBytes(count)));
  }

  origin(): number {
    this.cells++;
    return 0;
  }

  tag(): Buffer {
    return tagOf(this.cells);
  }
}

/** Cells leave as they are. */
export class PlainOutbound implements OutboundCrypto {
  private cells = 0;

  originate(): void {
    this.cells++;
  }

  encrypt(slab: Buffer, count: number): Buffer {
    return Buffer.from(slab.subarray(0, slabBytes(count)));
  }

  tag(): Buffer {
    return tagOf(this.cells);
  }
}
