import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { encodeBase64 } from "@allium/netdoc";
import { type AuthorityKeys, timeText } from "./authority-keys.ts";

/** A document of the `tor` network that the tests of netdoc read. */
export const torDocument = (name: string): Buffer =>
  readFileSync(new URL(`../../../netdoc/test/fixtures/tor/${name}`, import.meta.url));

/** When those documents were current: 2026-11-21 10:45:20, fresh for 20 s, valid for 40 s. */
export const torValidAfter = Date.UTC(2026, 10, 21, 10, 45, 20);

/** A relay that does not exist. */
export interface PretendedRelay {
  readonly nickname: string;
  readonly identity: Buffer;
  readonly flags: string;
  readonly microdescriptor: string;
}

const seeded = (name: string, length: number): Buffer => createHash("sha256").update(name).digest().subarray(0, length);

/** A relay by its nickname; `edition` makes another microdescriptor of the same relay. */
export const pretendRelay = (nickname: string, edition = 0, flags = "Fast Running Valid"): PretendedRelay => ({
  nickname,
  identity: seeded(`identity ${nickname}`, 20),
  flags,
  microdescriptor:
    `onion-key\nntor-onion-key ${encodeBase64(seeded(`ntor ${nickname} ${edition}`, 32))}\n` +
    `id ed25519 ${encodeBase64(seeded(`ed25519 ${nickname}`, 32))}\n`,
});

/** SHA-256 of a microdescriptor, as the consensus names it. */
export const microdescriptorDigest = (text: string): string => encodeBase64(createHash("sha256").update(text).digest());

/** How a consensus is made. */
export interface ConsensusOptions {
  readonly validAfter: number;
  /** How long it is fresh. It is valid three times as long. */
  readonly intervalMillis: number;
  readonly relays: ReadonlyArray<PretendedRelay>;
  readonly signers: ReadonlyArray<AuthorityKeys>;
  readonly params?: string;
}

/** A signed consensus of the `microdesc` flavour: the head of the real one, with other times and relays. */
export const writeConsensus = ({ validAfter, intervalMillis, relays, signers, params }: ConsensusOptions): Buffer => {
  const real = torDocument("consensus-microdesc").toString("latin1");
  const head = real
    .slice(0, real.indexOf("\nr ") + 1)
    .replace(/^valid-after .*$/m, `valid-after ${timeText(validAfter)}`)
    .replace(/^fresh-until .*$/m, `fresh-until ${timeText(validAfter + intervalMillis)}`)
    .replace(/^valid-until .*$/m, `valid-until ${timeText(validAfter + 3 * intervalMillis)}`)
    .replace(/^params .*$/m, `params ${params ?? "cc_alg=2"}`);
  const entries = [...relays]
    .sort((one, other) => Buffer.compare(one.identity, other.identity))
    .map(
      ({ nickname, identity, flags, microdescriptor }) =>
        `r ${nickname} ${encodeBase64(identity)} 2038-01-01 00:00:00 192.0.2.1 9001 0\n` +
        `m ${microdescriptorDigest(microdescriptor)}\n` +
        `s ${flags}\nv Tor 0.4.9.11\npr Link=4-5\nw Bandwidth=100\n`,
    );
  const unsigned = `${head}${entries.join("")}directory-footer\n`;
  return Buffer.from(unsigned + signers.map((keys) => keys.signature(unsigned)).join(""), "latin1");
};
