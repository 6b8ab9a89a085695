import { assert } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { Ed25519KeyPair, X25519KeyPair } from "../src/index.ts";

/** Bytes of a hexadecimal vector. */
export const hex = (text: string): Buffer => Buffer.from(text, "hex");

/** A key pair that is the same in each run. */
export const ed25519Key = (seed: number): Ed25519KeyPair => Ed25519KeyPair.fromSeed(new Random(seed).bytes(32));

/** A key pair that is the same in each run. */
export const x25519Key = (seed: number): X25519KeyPair => X25519KeyPair.fromSecret(new Random(seed).bytes(32));

/** What `run` throws, which must be an error of this kind. */
export const thrown = <E extends Error>(kind: abstract new (...args: never) => E, run: () => unknown): E => {
  try {
    run();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  return assert.fail(`expected ${kind.name}`);
};

/** A copy with one bit of one byte turned over. */
export const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const out = Buffer.from(bytes);
  out[at] = out[at]! ^ 1;
  return out;
};
