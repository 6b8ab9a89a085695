/**
 * Time and memory of reading what a relay of the public network reads: a consensus of 8,000 relays in either flavour, its
 * microdescriptors, and single descriptors. The documents are made of the fixtures' entries, repeated under other identities.
 * Run it alone: `node --expose-gc bench/documents.bench.ts`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  type AuthorityCertificate,
  ExitPolicy,
  parseAuthorityCertificates,
  parseConsensus,
  parseMicrodescriptors,
  parseRouterDescriptor,
  parseRouterDescriptors,
} from "../src/index.ts";

const relays = 8000;
const rounds = 9;
const fixture = (path: string): string =>
  readFileSync(new URL(`../test/fixtures/${path}`, import.meta.url)).toString("utf8");
const digest = (algorithm: string, index: number): string =>
  createHash(algorithm).update(`${index}`).digest("base64").replace(/=+$/, "");

/** A consensus with as many relays as wanted: no identity twice, in order, everything else as in the fixture. */
const enlarge = (text: string): Buffer => {
  const first = text.indexOf("\nr ") + 1;
  const end = text.indexOf("directory-footer");
  const entries = text.slice(first, end).split(/^(?=r )/m);
  const identities = Array.from({ length: relays }, (_, index) => createHash("sha1").update(`${index}`).digest()).sort(
    Buffer.compare,
  );
  const repeated = identities.map((identity, index) =>
    (entries[index % entries.length] ?? "")
      .replace(
        /^r (\S+) \S+/,
        (_, name: string) => `r ${name}${index} ${identity.toString("base64").replace(/=+$/, "")}`,
      )
      .replace(/ 127\.0\.0\.1 /, () => ` 198.51.${index >> 8}.${index & 255} `)
      .replace(/^m \S+/m, () => `m ${digest("sha256", index)}`)
      .replace(/^w Bandwidth=\d+/m, () => `w Bandwidth=${index}`),
  );
  return Buffer.from(text.slice(0, first) + repeated.join("") + text.slice(end));
};

const manyMicrodescriptors = (): Buffer => {
  const entries = fixture("tor/microdescriptors").split(/^(?=onion-key)/m);
  return Buffer.from(
    Array.from({ length: relays }, (_, index) =>
      (entries[index % entries.length] ?? "").replace(
        /^id ed25519 \S+/m,
        () => `id ed25519 ${digest("sha256", index)}`,
      ),
    ).join(""),
  );
};

const best = (run: () => unknown, repetitions = 1): number => {
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    for (let index = 0; index < repetitions; index++) run();
    shortest = Math.min(shortest, Number(process.hrtime.bigint() - begin) / repetitions / 1e6);
  }
  return shortest;
};

/** Memory in use, in megabytes, once all that can go has gone: buffers go a turn after the objects that held them. */
const settled = async (collect: () => void): Promise<number> => {
  for (let turn = 0; turn < 5; turn++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
};

const kept: Array<unknown> = [];
/** Memory that stays with what a function returns; nothing without `--expose-gc`. */
const retained = async (run: () => unknown): Promise<string> => {
  const collect = globalThis.gc;
  if (collect === undefined) return "";
  const before = await settled(collect);
  kept.push(run());
  const megabytes = (await settled(collect)) - before;
  kept.pop();
  return `, keeps ${megabytes.toFixed(1)} MB`;
};

const report = (name: string, milliseconds: number, more = ""): void =>
  console.log(`${name.padEnd(44)} ${milliseconds.toFixed(milliseconds < 1 ? 3 : 1).padStart(8)} ms${more}`);

const size = (bytes: Buffer): string => ` of ${(bytes.length / 1e6).toFixed(1)} MB`;
const microdesc = enlarge(fixture("tor/consensus-microdesc"));
const ns = enlarge(fixture("tor/consensus-ns"));
const descriptors = manyMicrodescriptors();
const certificates: ReadonlyArray<AuthorityCertificate> = parseAuthorityCertificates(
  fixture("tor/certificates"),
).documents;
const real = parseConsensus(fixture("tor/consensus-microdesc"));
const trust = {
  authorities: certificates.map(({ identity }) => identity),
  certificates,
  now: real.lifetime.validAfter,
};
const routerText = fixture("accepted/router-descriptor");
const routers = parseRouterDescriptors(fixture("tor/router-descriptors")).documents;
const policy = ExitPolicy.ofOptions({ rules: [], ipv6: true, rejectPrivate: true });

if (routers.length !== 6 || parseMicrodescriptors(descriptors).documents.length !== relays)
  throw new Error("the documents are not what they should be");
report(
  `microdesc consensus${size(microdesc)}`,
  best(() => parseConsensus(microdesc)),
  await retained(() => parseConsensus(microdesc)),
);
report(
  `ns consensus${size(ns)}`,
  best(() => parseConsensus(ns)),
  await retained(() => parseConsensus(ns)),
);
report(
  "three signatures of a consensus",
  best(() => real.verify(trust), 50),
);
report(
  `${relays} microdescriptors${size(descriptors)}`,
  best(() => parseMicrodescriptors(descriptors)),
  await retained(() => parseMicrodescriptors(descriptors)),
);
report(
  "one router descriptor, verified",
  best(() => parseRouterDescriptor(routerText), 50),
);
report(
  "one decision of an exit's default policy",
  best(() => policy.permits("198.51.100.7", 443), 20_000),
);
