import { REASONABLY_LIVE_MILLIS } from "../download/holdings.ts";
import { type Asked, type Handler, notFound, type Refusal, refuse } from "./model.ts";

const digestShape = /^[0-9A-Fa-f]{64}$/;

/** What a request for a consensus wants. */
interface Wanted {
  readonly flavor: "ns" | "microdesc";
  /** Authorities of which most must have signed, by the beginnings of their fingerprints; undefined if it does not matter. */
  readonly signers: ReadonlyArray<string> | undefined;
  readonly diffFrom: ReadonlyArray<string>;
  readonly diffOnly: boolean;
}

/** Answers what follows `/tor/status-vote/current/consensus`. */
export const consensus: Handler = (rest, asked) => {
  const wanted = parse(rest, asked);
  if ("_tag" in wanted) return wanted;
  const { served, now, encoding, modifiedSince } = asked;
  const found = served.consensus(wanted.flavor);
  if (found === undefined) return notFound();
  const { lifetime, signedDigest } = found;
  if (signedDigest !== undefined && wanted.diffFrom.includes(signedDigest)) return refuse(304, "Not modified");
  const diffFrom = wanted.diffFrom.filter((digest) => found.hasDiff(digest));
  if (wanted.diffOnly && diffFrom.length === 0) return notFound("No such diff available");
  if (now < lifetime.validAfter - REASONABLY_LIVE_MILLIS) return notFound("Consensus is too new");
  if (now >= lifetime.validUntil + REASONABLY_LIVE_MILLIS) return notFound("Consensus is too old");
  if (wanted.signers !== undefined && !isSignedByMost(found.signers, wanted.signers))
    return notFound("Consensus not signed by sufficient number of requested authorities");
  if (modifiedSince !== undefined && modifiedSince >= lifetime.validAfter) return refuse(304, "Not modified");
  const fresh = Math.max(0, Math.floor((lifetime.freshUntil - now) / 1000));
  return {
    _tag: "Consensus",
    consensus: found,
    diffFrom,
    diffOnly: wanted.diffOnly,
    encoding,
    lifetime: fresh,
  };
};

/** `[-FLAVOR][/diff/HASH][/F+F+F]`. */
const parse = (rest: string, { request }: Asked): Wanted | Refusal => {
  const [head = "", ...path] = rest.split("/");
  const flavor = head === "" || head === "-ns" ? "ns" : head === "-microdesc" ? "microdesc" : undefined;
  if (flavor === undefined) return notFound();
  if (path[0] === "diff") {
    const [, digest = "", ...names] = path;
    if (!digestShape.test(digest)) return notFound("Couldn't parse request");
    return { flavor, signers: signersOf(names), diffFrom: [digest.toUpperCase()], diffOnly: true };
  }
  // Spec and `tor` do not agree on what stands between the digests.
  const named = (request.headers.get("x-or-diff-from-consensus") ?? "").split(/[ ,]+/);
  const diffFrom = named.filter((digest) => digestShape.test(digest)).map((digest) => digest.toUpperCase());
  return { flavor, signers: signersOf(path), diffFrom, diffOnly: false };
};

const signersOf = (path: ReadonlyArray<string>): ReadonlyArray<string> | undefined =>
  path.length === 0 ? undefined : path.join("/").split("+");

/** Whether more than half of the authorities that a client names, by the beginnings of their fingerprints, have signed. */
const isSignedByMost = (signers: ReadonlyArray<string>, names: ReadonlyArray<string>): boolean => {
  const wanted = new Set(
    names.map((name) => name.toUpperCase()).filter((name) => /^(?:[0-9A-F]{2}){1,20}$/.test(name)),
  );
  let fitting = 0;
  for (const name of wanted) if (signers.some((signer) => signer.startsWith(name))) fitting++;
  return fitting * 2 > wanted.size;
};
