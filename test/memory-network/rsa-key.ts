import { checkPrimeSync, createPrivateKey } from "node:crypto";
import { type RsaKeyPair, rsaKeyPairFromKeyObject } from "@allium/crypto";
import { bytesOf } from "./seeded-bytes.ts";

/** 1024 bits, as identities have them: authorities and TLS of a network in memory get by with that too. */
const PRIME_BYTES = 64;

const made = new Map<number, RsaKeyPair>();

/**
 * RSA key number `index`, the same in every run: the platform makes none from a seed, and a pair of primes that is found in a stream
 * of bytes takes ten milliseconds. Of no worth to anybody.
 */
export const rsaKey = (index: number): RsaKeyPair => {
  const known = made.get(index);
  if (known !== undefined) return known;
  const key = makeKey(bytesOf(`RSA key ${index}`));
  made.set(index, key);
  return key;
};

const makeKey = (bytes: (length: number) => Buffer): RsaKeyPair => {
  const one = prime(bytes);
  const other = prime(bytes);
  const [p, q] = one > other ? [one, other] : [other, one];
  const d = inverse(EXPONENT, (p - 1n) * (q - 1n));
  const jwk = {
    kty: "RSA",
    e: text(EXPONENT, 3),
    n: text(p * q, 2 * PRIME_BYTES),
    d: text(d, 2 * PRIME_BYTES),
    p: text(p, PRIME_BYTES),
    q: text(q, PRIME_BYTES),
    dp: text(d % (p - 1n), PRIME_BYTES),
    dq: text(d % (q - 1n), PRIME_BYTES),
    qi: text(inverse(q, p), PRIME_BYTES),
  };
  return rsaKeyPairFromKeyObject(createPrivateKey({ format: "jwk", key: jwk }));
};

/** A prime whose two highest bits are set, so that the product of two has all its bits. */
const prime = (bytes: (length: number) => Buffer): bigint => {
  for (;;) {
    const drawn = bytes(PRIME_BYTES);
    drawn[0] = (drawn[0] as number) | 0xc0;
    drawn[PRIME_BYTES - 1] = (drawn[PRIME_BYTES - 1] as number) | 1;
    const base = BigInt(`0x${drawn.toString("hex")}`);
    const remainders = SMALL_PRIMES.map((small) => Number(base % BigInt(small)));
    for (let step = 0; step < STRETCH; step += 2) {
      if (SMALL_PRIMES.some((small, at) => ((remainders[at] as number) + step) % small === 0)) continue;
      const candidate = base + BigInt(step);
      if (candidate % EXPONENT !== 1n && checkPrimeSync(candidate, { checks: 8 })) return candidate;
    }
  }
};

const inverse = (value: bigint, modulus: bigint): bigint => {
  let [rest, next] = [modulus, value % modulus];
  let [before, factor] = [0n, 1n];
  while (next !== 0n) {
    const quotient = rest / next;
    [rest, next] = [next, rest - quotient * next];
    [before, factor] = [factor, before - quotient * factor];
  }
  return ((before % modulus) + modulus) % modulus;
};

const text = (value: bigint, length: number): string =>
  Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex").toString("base64url");

const EXPONENT = 65_537n;

/** Odd numbers from where the search begins that are looked at; among so many there is nearly always a prime. */
const STRETCH = 4_096;

/** Most candidates have one of these as a factor, and that is found out at once. */
const SMALL_PRIMES: ReadonlyArray<number> = (() => {
  const primes: Array<number> = [];
  for (let number = 3; primes.length < 300; number += 2) {
    if (primes.every((small) => number % small !== 0)) primes.push(number);
  }
  return primes;
})();
