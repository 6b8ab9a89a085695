import {
  parseAuthorityCertificatesSteps,
  parseConsensus,
  parseConsensusSteps,
  parseMicrodescriptors,
  parseMicrodescriptorsSteps,
  parseSignedExtraInfosSteps,
  parseSignedRoutersSteps,
  type Steps,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { fixture } from "./support/fixtures.ts";

/** Runs the steps, and counts the pauses. */
const counted = <A>(steps: Steps<A>): { readonly pauses: number; readonly value: A } => {
  for (let pauses = 0; ; pauses++) {
    const step = steps.next();
    if (step.done === true) return { pauses, value: step.value };
  }
};

/** A consensus of many relays that do not exist, of which nobody has signed anything. */
const large = (relays: number): Buffer => {
  const text = fixture("tor/consensus-microdesc").toString("latin1");
  const [first, end] = [text.indexOf("\nr ") + 1, text.indexOf("directory-footer")];
  const entry = text.slice(first, end).split(/^(?=r )/m)[0] ?? "";
  const entries = Array.from({ length: relays }, (_, index) => {
    const identity = Buffer.alloc(20);
    identity.writeUInt32BE(index + 1);
    return entry.replace(/^r (\S+) \S+/, `r $1 ${identity.toString("base64").replace("=", "")}`);
  });
  return Buffer.from(text.slice(0, first) + entries.join("") + text.slice(end), "latin1");
};

describe("reading in steps", () => {
  it("pauses often enough in a large consensus, and reads the same", () => {
    const text = large(1000);
    const { pauses, value } = counted(parseConsensusSteps(text));
    assert.isAtLeast(pauses, 1000 / 64);
    const { routers } = value.assumeVerified();
    assert.deepStrictEqual(routers, parseConsensus(text).assumeVerified().routers);
    assert.strictEqual(routers.length, 1000);
  });

  it("pauses after each document of many", () => {
    const text = fixture("tor/microdescriptors");
    const { pauses, value } = counted(parseMicrodescriptorsSteps(text));
    assert.strictEqual(pauses, value.documents.length);
    assert.deepStrictEqual(value, parseMicrodescriptors(text));
    assert.strictEqual(counted(parseSignedRoutersSteps(fixture("tor/router-descriptors"))).pauses, 6);
    assert.strictEqual(counted(parseSignedExtraInfosSteps(fixture("tor/extra-infos"))).pauses, 6);
    assert.strictEqual(counted(parseAuthorityCertificatesSteps(fixture("tor/certificates"))).pauses, 3);
  });
});
