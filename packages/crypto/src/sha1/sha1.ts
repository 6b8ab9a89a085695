import { FINISHED, INITIAL_STATE, INPUT, MAX_INPUT_BYTES, makeSha1Module, RECORD_BYTES } from "./module.ts";

const { memory, absorb, finish, undo } = makeSha1Module();

/** Whose record is in the module's memory. The others' are parked. */
let resident: Sha1 | undefined;

/**
 * SHA-1 (FIPS 180-4) whose digest can be asked for after each addition, and whose last addition can be taken back. The platform's
 * does both by copying its state into a new object, which costs more than the digest itself.
 */
export class Sha1 {
  /** Its record while another's is in the module. */
  readonly #parked = Buffer.alloc(RECORD_BYTES);

  constructor() {
    for (const [index, word] of INITIAL_STATE.entries()) this.#parked.writeInt32LE(word, 4 * index);
  }

  /**
   * Adds `bytes` from `start` to `end`; at most {@link MAX_INPUT_BYTES} of them.
   *
   * @returns the first four bytes of the digest of all so far, as a signed integer
   */
  add(bytes: Buffer, start: number, end: number): number {
    if (end - start > MAX_INPUT_BYTES) throw new Error(`Sha1: ${end - start} bytes at once`);
    this.#enter();
    bytes.copy(memory, INPUT, start, end);
    absorb(end - start);
    return finish();
  }

  /** Takes back an {@link add}, once, before there is another, here or anywhere. */
  undo(): void {
    if (resident !== this) throw new Error("Sha1: others have added something since");
    undo();
  }

  /** Writes the digest after the last {@link add}, 20 bytes, to `target` at `at`. Zeros before the first. */
  digestInto(target: Buffer, at: number): void {
    this.#enter();
    memory.copy(target, at, FINISHED, FINISHED + DIGEST_BYTES);
  }

  #enter(): void {
    if (resident === this) return;
    if (resident !== undefined) memory.copy(resident.#parked, 0, 0, RECORD_BYTES);
    this.#parked.copy(memory);
    resident = this;
  }
}

const DIGEST_BYTES = 20;
