import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  NetdocError,
  parseAuthorityCertificates,
  parseConsensus,
  parseMicrodescriptors,
  ValidityError,
  VerificationError,
} from "@allium/netdoc";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { readStored } from "../src/cache/last-listed.ts";
import { Holdings } from "../src/download/holdings.ts";
import { NothingNewer } from "../src/download/judge.ts";

const document = (name: string): Buffer =>
  readFileSync(new URL(`../../netdoc/test/fixtures/tor/${name}`, import.meta.url));

const consensus = document("consensus-microdesc");
const certificates = document("certificates");
const microdescriptors = document("microdescriptors");
const stored = document("cached-microdescriptors");
/** Parsed once: it is the spoilt ones that differ. */
const parsed = {
  certificates: parseAuthorityCertificates(certificates).documents,
  microdescriptors: parseMicrodescriptors(microdescriptors).documents,
  stored: parseMicrodescriptors(stored).documents,
};
const identities = parsed.certificates.map(({ identity }) => identity);
const validAfter = Date.UTC(2026, 10, 21, 10, 45, 20);

/** A document as it is, or spoilt. */
const maybeSpoilt = (random: Random, bytes: Buffer): Buffer => (random.oneIn(2) ? bytes : random.mutate(bytes));

/** The end of what was signed: bytes after it are of no consequence. */
const signedEnd = consensus.indexOf("directory-signature ");

const operations: ReadonlyArray<(random: Random, holdings: Holdings, now: number) => void> = [
  (random, holdings, now) => {
    const text = maybeSpoilt(random, consensus);
    holdings.acceptConsensus(holdings.offer(parseConsensus(text), text), now);
    assert(text.subarray(0, signedEnd).equals(consensus.subarray(0, signedEnd)), "took what nobody has signed");
  },
  (random, holdings, now) => {
    const text = maybeSpoilt(random, certificates);
    const documents = text === certificates ? parsed.certificates : parseAuthorityCertificates(text).documents;
    holdings.acceptCertificates(documents, now);
  },
  (random, holdings) => {
    const wanted = new Set(holdings.missingMicrodescriptors());
    const text = maybeSpoilt(random, microdescriptors);
    const documents = text === microdescriptors ? parsed.microdescriptors : parseMicrodescriptors(text).documents;
    holdings.acceptMicrodescriptors(documents, wanted);
  },
  (random, holdings) => {
    const missing = holdings.missingMicrodescriptors();
    if (missing.length === 0) return;
    const digest = random.pick(missing);
    holdings.markUnreadable(digest);
    assert(!holdings.missingMicrodescriptors().includes(digest), "asks again for what cannot be read");
  },
  (random, holdings, now) => {
    const file = maybeSpoilt(random, stored);
    const found = readStored(file, file === stored ? parsed.stored : parseMicrodescriptors(file).documents);
    holdings.restoreMicrodescriptors(found, now);
  },
];

/** Whether everything that is held belongs together. */
const check = (holdings: Holdings): void => {
  const { consensus, held, params, microdescriptors, certificates, missingMicrodescriptors } = holdings.snapshot;
  assert.equal(held?.consensus, consensus);
  if (consensus !== undefined) assert.equal(params, consensus.params);
  assert.equal(missingMicrodescriptors, holdings.missingMicrodescriptors().length);
  for (const { identity } of certificates) assert(identities.includes(identity), "a stranger's certificate");
  for (const [digest, microdescriptor] of microdescriptors) assert.equal(microdescriptor.digest, digest);
};

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "directory/holdings",
    run: (random) => {
      const holdings = new Holdings(identities);
      const now = validAfter + random.pick([0, -3000, 30_000, 41_000, 8 * 86_400_000]);
      const rounds = 1 + random.below(5);
      for (let round = 0; round < rounds; round++) {
        const before = holdings.snapshot;
        try {
          random.pick(operations)(random, holdings, now);
        } catch (error) {
          const isJudgement =
            error instanceof NetdocError ||
            error instanceof VerificationError ||
            error instanceof ValidityError ||
            error instanceof NothingNewer;
          if (!isJudgement) throw error;
          assert.equal(holdings.snapshot, before, "a refusal has changed something");
        }
        check(holdings);
      }
    },
  },
];
