import {
  NetdocError,
  type NetdocProblem,
  parseAuthorityCertificates,
  parseConsensus,
  parseMicrodescriptors,
  parseRouterDescriptors,
  type RelayFlag,
  ValidityError,
  VerificationError,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { caught } from "./support/caught.ts";
import { fixture, fixtureText } from "./support/fixtures.ts";
import { certificates, replaced, trust, validAfter } from "./support/network.ts";

const microdescText = fixtureText("tor/consensus-microdesc");
const nsText = fixtureText("tor/consensus-ns");

describe("a consensus of tor 0.4.9.11, microdesc flavour", () => {
  const consensus = parseConsensus(fixture("tor/consensus-microdesc")).verify(trust);

  it("says when it holds, and how it was made", () => {
    assert.strictEqual(consensus.flavor, "microdesc");
    assert.strictEqual(consensus.method, 35);
    assert.strictEqual(consensus.lifetime.validAfter, validAfter);
    assert.strictEqual(consensus.lifetime.freshUntil, validAfter + 20_000);
    assert.strictEqual(consensus.lifetime.validUntil, validAfter + 40_000);
    assert.deepStrictEqual(consensus.votingDelay, { vote: 4, signatures: 4 });
  });

  it("says what the network asks of clients and relays", () => {
    assert.deepStrictEqual(consensus.serverVersions, ["0.4.8.1", "0.4.9.11"]);
    assert.strictEqual(
      consensus.requiredProtocols.relay.toString(),
      "Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=2 Link=4-5 LinkAuth=3 Microdesc=2 Relay=2-4",
    );
    assert.isTrue(consensus.recommendedProtocols.client.supports("Link", 4));
    assert.include(consensus.knownFlags, "StaleDesc");
    assert.strictEqual(consensus.params.get("cc_alg", { default: 0, min: 0, max: 3 }), 2);
    assert.strictEqual(consensus.params.raw("cfx_low_exit_threshold"), 0);
  });

  it("names its authorities", () => {
    assert.deepStrictEqual(
      consensus.authorities.map(({ nickname }) => nickname),
      ["auth0", "auth2", "auth1"],
    );
    assert.sameMembers(
      consensus.authorities.map(({ identity }) => identity),
      certificates.map(({ identity }) => identity),
    );
    assert.strictEqual(consensus.authorities[0]?.contact, "auth0@test.test");
    assert.strictEqual(consensus.authorities[0]?.dirPort, 20001);
    assert.match(consensus.authorities[0]?.voteDigest ?? "", /^[0-9A-F]{40}$/);
  });

  it("has shared random values", () => {
    const { previous, current } = consensus.sharedRandom;
    assert.strictEqual(previous?.reveals, 3);
    assert.strictEqual(previous?.value.toString("base64"), "GpaIwfFqIf6aO0eOcS1eyivl38RJZUGxfq4ZqJaT7/E=");
    assert.strictEqual(current?.value.length, 32);
  });

  it("lists relays, to be found by their identity", () => {
    assert.strictEqual(consensus.routers.length, 6);
    for (const router of consensus.routers) assert.strictEqual(consensus.router(router.fingerprint), router);
    assert.strictEqual(consensus.router("0".repeat(40)), undefined);
    assert.strictEqual(consensus.router("F".repeat(40)), undefined);
    const exit = consensus.routers.find(({ nickname }) => nickname === "exit6") ?? assert.fail("no exit6");
    assert.strictEqual(exit.fingerprint, "BEDE6D20F3EBC16009824A9F4AED86D2CCEF52A4");
    assert.strictEqual(exit.address, "127.0.0.1");
    assert.strictEqual(exit.orPort, 20015);
    assert.strictEqual(exit.dirPort, 0);
    assert.strictEqual(exit.version, "Tor 0.4.9.11");
    assert.isTrue(exit.protocols.supports("Conflux", 1));
    assert.isFalse(exit.measured);
    assert.strictEqual(exit.bandwidth, 93);
    assert.isTrue(
      (["Exit", "Fast", "Guard", "Running", "Valid"] satisfies Array<RelayFlag>).every((flag) => exit.flags.has(flag)),
    );
    assert.isFalse(exit.flags.has("Authority"));
    assert.strictEqual(exit.policy, undefined);
  });

  it("shares what relays have in common", () => {
    const [first, second] = consensus.routers.filter(({ flags }) => flags.has("Authority"));
    assert.strictEqual(first?.flags, second?.flags);
    assert.strictEqual(first?.protocols, second?.protocols);
    assert.strictEqual(first?.orAddresses, second?.orAddresses);
  });

  it("names microdescriptors by their digests", () => {
    const { documents } = parseMicrodescriptors(fixture("tor/microdescriptors"));
    assert.sameMembers(
      documents.map(({ digest }) => digest),
      consensus.routers.map(({ descriptorDigest }) => descriptorDigest),
    );
  });

  it("has weights for path selection", () => {
    assert.strictEqual(consensus.bandwidthWeights.raw("Wgd"), 3333);
    assert.strictEqual(consensus.weight("Wgd"), 0.3333);
    assert.strictEqual(consensus.weight("Wmm"), 1);
    assert.strictEqual(consensus.weight("Wxx"), 1);
  });
});

describe("a consensus of tor 0.4.9.11, ns flavour", () => {
  const consensus = parseConsensus(nsText).verify(trust);

  it("names router descriptors by their digests", () => {
    assert.strictEqual(consensus.flavor, "ns");
    const { documents } = parseRouterDescriptors(fixture("tor/router-descriptors"));
    assert.sameMembers(
      documents.map(({ digest }) => digest),
      consensus.routers.map(({ descriptorDigest }) => descriptorDigest),
    );
  });

  it("has summaries of exit policies, and times of publication", () => {
    const exit = consensus.routers.find(({ nickname }) => nickname === "exit6");
    assert.strictEqual(exit?.policy?.toString(), "accept 80,443");
    assert.strictEqual(exit?.published, Date.UTC(2026, 10, 21, 10, 30, 40));
  });
});

describe("Arti's mdconsensus1, of tor 0.3.5", () => {
  const unverified = parseConsensus(fixture("arti/mdconsensus1.txt"));
  const { documents } = parseAuthorityCertificates(fixture("arti/authcerts2.txt"));

  it("is signed by its three authorities, and has IPv6 addresses", () => {
    const consensus = unverified.verify({
      authorities: documents.map(({ identity }) => identity),
      certificates: documents,
      now: unverified.lifetime.validAfter,
    });
    assert.strictEqual(consensus.routers.length, 6);
    assert.deepStrictEqual(consensus.routers[1]?.orAddresses, [{ address: "::1", port: 5005 }]);
    assert.deepStrictEqual(consensus.clientVersions, []);
  });

  it("proves nothing once the certificates have expired", () => {
    const authorities = documents.map(({ identity }) => identity);
    caught(VerificationError, () => unverified.verify({ authorities, certificates: documents, now: validAfter }));
  });
});

describe("the signatures of a consensus", () => {
  const unverified = parseConsensus(microdescText);
  const [first, second, third] = certificates;

  it("must be by more than half of the trusted authorities", () => {
    const two = [first, second].filter((certificate) => certificate !== undefined);
    assert.strictEqual(unverified.verify({ ...trust, certificates: two }).routers.length, 6);
    const error = caught(VerificationError, () => unverified.verify({ ...trust, certificates: two.slice(1) }));
    assert.strictEqual(error.problem, "too-few-signatures");
    assert.include(error.message, "1 of 3 trusted authorities, 2 certificates missing");
    caught(VerificationError, () => unverified.verify({ ...trust, authorities: [] }));
    const half = [...trust.authorities, "A".repeat(40), "B".repeat(40), "C".repeat(40)];
    caught(VerificationError, () => unverified.verify({ ...trust, authorities: half }));
    assert.doesNotThrow(() => unverified.verify({ ...trust, authorities: half.slice(0, 5) }));
  });

  it("tell which certificates are missing", () => {
    const certificate = third ?? assert.fail("three certificates");
    assert.deepStrictEqual(
      unverified.missingCertificates({
        ...trust,
        certificates: certificates.filter((known) => known !== certificate),
      }),
      [{ identity: certificate.identity, signingKey: certificate.signingKeyDigest }],
    );
    assert.deepStrictEqual(unverified.missingCertificates(trust), []);
    assert.deepStrictEqual(unverified.missingCertificates({ ...trust, authorities: [], certificates: [] }), []);
  });

  it("are over everything before them", () => {
    const cases = [
      replaced(microdescText, "Bandwidth=93", "Bandwidth=94"),
      replaced(microdescText, "network-status-version 3 microdesc", "network-status-version 3 microdesc "),
      replaced(microdescText, "directory-footer\n", "x-extra\ndirectory-footer\n"),
    ];
    for (const text of cases) caught(VerificationError, () => parseConsensus(text).verify(trust));
  });

  it("count once for each authority", () => {
    const start = microdescText.indexOf("directory-signature");
    const end = microdescText.indexOf("-----END SIGNATURE-----\n") + "-----END SIGNATURE-----\n".length;
    const one = microdescText.slice(start, end);
    const repeated = parseConsensus(microdescText.slice(0, start) + one + one + one);
    assert.strictEqual(repeated.signatures.length, 3);
    caught(VerificationError, () => repeated.verify(trust));
  });

  it("count only with the digest of the flavour", () => {
    const sha1 = parseConsensus(microdescText.replaceAll("directory-signature sha256", "directory-signature sha1"));
    assert.strictEqual(sha1.signatures[0]?.algorithm, "sha1");
    caught(VerificationError, () => sha1.verify(trust));
    const unknown = parseConsensus(microdescText.replaceAll("directory-signature sha256", "directory-signature sha3"));
    assert.strictEqual(unknown.signatures.length, 0);
  });

  it("were checked before, if the consensus was stored", () => {
    assert.strictEqual(unverified.assumeVerified().routers.length, 6);
  });
});

describe("the lifetime of a consensus", () => {
  const { lifetime } = parseConsensus(microdescText);
  const consensus = parseConsensus(microdescText).verify(trust);
  const second = 1000;

  it("has a beginning and an end", () => {
    assert.doesNotThrow(() => lifetime.check(validAfter));
    assert.doesNotThrow(() => lifetime.check(validAfter + 40 * second - 1));
    const early = caught(ValidityError, () => lifetime.check(validAfter - 1));
    assert.deepStrictEqual([early.problem, early.bound, early.now], ["not-yet-valid", validAfter, validAfter - 1]);
    const late = caught(ValidityError, () => lifetime.check(validAfter + 40 * second));
    assert.deepStrictEqual(
      [late._tag, late.problem, late.bound],
      ["ValidityError", "expired", validAfter + 40 * second],
    );
    assert.include(late.message, "consensus expired at 2026-11-21T10:46:00.000Z");
  });

  it("is fresh in its first part", () => {
    assert.isFalse(lifetime.isFresh(validAfter - 1));
    assert.isTrue(lifetime.isFresh(validAfter));
    assert.isFalse(lifetime.isFresh(validAfter + 20 * second));
  });

  it("may be stretched: while signatures are gathered, and when there is nothing newer", () => {
    assert.doesNotThrow(() => consensus.checkUsable(validAfter - 4 * second));
    caught(ValidityError, () => consensus.checkUsable(validAfter - 4 * second - 1));
    assert.isFalse(consensus.isUsable(validAfter + 40 * second));
    assert.isTrue(consensus.isUsable(validAfter + 40 * second, 86_400 * second));
  });
});

describe("a consensus that is wrong", () => {
  /** What is replaced by what, and what the parser says about it. The last item of each is the keyword. */
  const cases: ReadonlyArray<readonly [string, string, NetdocProblem, line: number, column: number, string]> = [
    ["network-status-version 3", "network-status-version 4", "unknown-version", 1, 24, "network-status-version"],
    ["3 microdesc", "3 other", "unknown-version", 1, 26, "network-status-version"],
    ["vote-status consensus", "vote-status vote", "bad-argument", 2, 13, "vote-status"],
    ["consensus-method 35", "consensus-method x", "bad-argument", 3, 18, "consensus-method"],
    ["valid-after 2026-11-21 10:45:20", "valid-after 2026-11-21 10:45:60x", "bad-argument", 4, 24, "valid-after"],
    ["fresh-until 2026-11-21", "fresh-until 2026-11-20", "bad-argument", 5, 13, "fresh-until"],
    ["valid-until 2026-11-21", "valid-until 2026-11-20", "bad-argument", 6, 13, "valid-until"],
    ["voting-delay 4 4", "voting-delay 4", "missing-argument", 7, 15, "voting-delay"],
    ["params AuthDirMaxServersPerAddr=0", "params zzz=0", "bad-argument", 15, 14, "params"],
    ["cc_alg=2 ", "cc_alg=2x ", "bad-argument", 15, 42, "params"],
    [
      "recommended-client-protocols Cons=2",
      "recommended-client-protocols Cons=2-",
      "bad-argument",
      11,
      30,
      "recommended-client-protocols",
    ],
    ["contact auth0@test.test\n", "", "missing-item", 18, 1, "dir-source"],
    ["s Exit Fast", "s Fast Exit", "bad-argument", 29, 8, "s"],
    ["Bandwidth=93", "bandwidth=93", "missing-argument", 0, 0, "w"],
    ["Bandwidth=93", "Bandwidth=4294967296", "bad-argument", 0, 0, "w"],
    ["r exit6 vt5t", "r exit6 vt5", "bad-argument", 0, 0, "r"],
    ["r exit6 ", "r exit-6 ", "bad-argument", 0, 0, "r"],
    ["m UtvP", "m UtvPA", "bad-argument", 0, 0, "m"],
    ["127.0.0.1 20015 0", "127.0.0.256 20015 0", "bad-argument", 0, 0, "r"],
    ["127.0.0.1 20015 0", "127.0.0.1 0 0", "bad-argument", 0, 0, "r"],
    ["directory-footer\n", "", "missing-item", 0, 0, "directory-footer"],
    ["directory-footer\n", "directory-footer 1\n", "extra-argument", 0, 0, "directory-footer"],
    ["Wbd=3333 ", "Wbd=a ", "bad-argument", 0, 0, "bandwidth-weights"],
    ["directory-signature sha256 6", "directory-signature sha256 G", "bad-argument", 0, 0, "directory-signature"],
  ];

  it.each(cases)("%s -> %s", (what, by, problem, line, column, keyword) => {
    const error = caught(NetdocError, () => parseConsensus(replaced(microdescText, what, by)));
    assert.deepStrictEqual([error.problem, error.keyword], [problem, keyword], error.message);
    if (line > 0) assert.deepStrictEqual([error.line, error.column], [line, column], error.message);
  });

  it("has items in the wrong section", () => {
    const source = microdescText.slice(microdescText.indexOf("dir-source"), microdescText.indexOf("contact"));
    const late = caught(NetdocError, () =>
      parseConsensus(replaced(microdescText, "directory-footer\n", `${source}directory-footer\n`)),
    );
    assert.strictEqual(late.problem, "missing-item");
    const after = caught(NetdocError, () => parseConsensus(`${microdescText}directory-footer\n`));
    assert.deepStrictEqual([after.problem, after.keyword], ["misplaced-item", "directory-footer"]);
    const router = microdescText.slice(microdescText.indexOf("\nr "), microdescText.indexOf("\nr auth0"));
    const twice = caught(NetdocError, () => parseConsensus(replaced(microdescText, router, router + router)));
    assert.deepStrictEqual([twice.problem, twice.keyword], ["misplaced-item", "r"]);
    const authority = microdescText.slice(
      microdescText.indexOf("dir-source"),
      microdescText.indexOf("dir-source auth2"),
    );
    const again = caught(NetdocError, () => parseConsensus(replaced(microdescText, authority, authority + authority)));
    assert.deepStrictEqual([again.problem, again.keyword], ["misplaced-item", "dir-source"]);
  });

  it("may list an authority under its older identity too", () => {
    const legacy = `dir-source auth9-legacy ${"0".repeat(40)} 127.0.0.1 127.0.0.1 1 1\n`;
    const text = replaced(microdescText, "dir-source auth0", `${legacy}dir-source auth0`);
    const [entry] = parseConsensus(text).assumeVerified().authorities;
    assert.deepStrictEqual([entry?.nickname, entry?.voteDigest], ["auth9-legacy", undefined]);
  });

  it("is not made so by what a relay says of itself", () => {
    const strange = replaced(
      replaced(microdescText, "\nv Tor 0.4.9.11\n", "\nv Tor 0.4\u0001é\u007f\n"),
      "\npr Conflux=1 ",
      "\npr é=99 ",
    );
    const [router] = parseConsensus(strange).assumeVerified().routers;
    assert.strictEqual(router?.version, "Tor 0.4\u0001é\u007f");
    assert.strictEqual(router?.protocols.toString(), "");
  });

  it("in the ns flavour may have a policy that is none", () => {
    for (const by of ["p accept 443,80", "p permit 80", "p accept 0-80"]) {
      const error = caught(NetdocError, () => parseConsensus(replaced(nsText, "p accept 80,443", by)));
      assert.deepStrictEqual([error.problem, error.keyword], ["bad-argument", "p"]);
    }
  });

  // Names and positions as in Arti's tests, crates/tor-netdoc/src/doc/netstatus.rs; theirs for bad-flags is that of the line.
  it.each([
    ["bad-flags", "bad-argument", 27, 26],
    ["bad-md-digest", "bad-argument", 40, 3],
    ["bad-weight", "bad-argument", 67, 141],
    ["bad-weights", "bad-argument", 51, 13],
    ["wrong-order", "misplaced-item", 52, 1],
    ["wrong-start", "misplaced-item", 2, 1],
    ["wrong-version", "unknown-version", 1, 24],
    ["bad-params", "bad-argument", 15, 8],
  ] as const)("Arti's %s", (name, problem, line, column) => {
    const error = caught(NetdocError, () => parseConsensus(fixture(`arti/bad-mdconsensus/${name}`)));
    assert.deepStrictEqual([error.problem, error.line, error.column], [problem, line, column], error.message);
  });
});
