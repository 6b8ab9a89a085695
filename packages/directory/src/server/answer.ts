import { decodeBase64, encodeBase64, type UnixMillis } from "@allium/netdoc";
import { REASONABLY_LIVE_MILLIS } from "../download/holdings.ts";
import { accepts, type HttpRequest } from "../http/request.ts";
import type { OwnDocuments } from "../publish/descriptor-source.ts";
import type { DirectorySnapshot } from "../view.ts";

/** What there is to be served. */
export interface Served {
  readonly snapshot: DirectorySnapshot;
  /** The relay's own documents, once it has published any. */
  readonly own: OwnDocuments | undefined;
}

/** What a request is answered with, before it is packed. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Parts that follow each other. */
  readonly body: ReadonlyArray<Buffer>;
  /** Whether to pack the body as `deflate`. */
  readonly deflate: boolean;
  /** The body is one that many ask for: the packed form is worth keeping. */
  readonly shared: boolean;
}

const plain = (status: number, reason: string): Answer => ({ status, reason, body: [], deflate: false, shared: false });
const notFound = (reason = "Not found"): Answer => plain(404, reason);

/** What a request gets that is no HTTP. */
export const badRequest: Answer = plain(400, "Bad request");

/**
 * Answers a request to a directory cache (dir-spec 4 and appendix B; status codes: 6.2).
 *
 * | target | answer |
 * | --- | --- |
 * | `/tor/server/authority`, `/tor/extra/authority` | the relay's own documents |
 * | `/tor/status-vote/current/consensus-microdesc`, `.../F+F+F` | the consensus, if it is not too old and most of the F have signed it |
 * | `/tor/micro/d/D-D-D` | those microdescriptors that are here |
 * | `/tor/keys/all`, `/tor/keys/fp/F+F`, `/tor/keys/sk/S+S`, `/tor/keys/fp-sk/F-S+F-S` | those certificates that are here |
 * | anything else, the consensus of flavour `ns` included | 404 |
 *
 * Each with `.z` behind it too, which asks for `deflate` where there is no `Accept-Encoding`.
 */
export const answerTo = (request: HttpRequest, served: Served, now: UnixMillis): Answer => {
  if (request.method !== "GET")
    return plain(400, request.method === "POST" ? "This is no directory authority" : "Bad method");
  const packed = request.target.endsWith(".z");
  const target = packed ? request.target.slice(0, -2) : request.target;
  const deflate = accepts(request.headers, "deflate") ?? packed;
  for (const [prefix, handle] of routes) {
    if (!target.startsWith(prefix)) continue;
    const found = handle(target.slice(prefix.length), served, { request, now });
    if ("status" in found) return found;
    return { status: 200, reason: "OK", deflate, ...found };
  }
  return notFound();
};

interface Asked {
  readonly request: HttpRequest;
  readonly now: UnixMillis;
}

type Found = Pick<Answer, "body" | "shared">;

/** Answers a target by what follows the route's prefix. */
type Handler = (rest: string, served: Served, asked: Asked) => Found | Answer;

const documents = (body: ReadonlyArray<Buffer>, shared = false): Found | Answer =>
  body.length === 0 ? notFound() : { body, shared };

const ownDocument =
  (pick: (own: OwnDocuments) => string): Handler =>
  (rest, { own }) =>
    documents(rest === "authority" && own !== undefined ? [Buffer.from(pick(own))] : []);

const consensus: Handler = (rest, { snapshot: { held } }, { request, now }) => {
  if (rest !== "" && !rest.startsWith("/")) return notFound();
  if (held === undefined) return notFound("Consensus not available");
  const { lifetime } = held.consensus;
  if (now >= lifetime.validUntil + REASONABLY_LIVE_MILLIS) return notFound("Consensus is too old");
  if (rest !== "" && !isSignedByMost(held.signers, rest.slice(1).split("+")))
    return notFound("Consensus not signed by sufficient number of requested authorities");
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  if (since >= lifetime.validAfter) return plain(304, "Not modified");
  return documents([held.text], true);
};

/** Whether more than half of the authorities that a client names, by the beginnings of their fingerprints, have signed. */
const isSignedByMost = (signers: ReadonlyArray<string>, names: ReadonlyArray<string>): boolean => {
  const wanted = new Set(
    names.map((name) => name.toUpperCase()).filter((name) => /^(?:[0-9A-F]{2}){1,20}$/.test(name)),
  );
  let fitting = 0;
  for (const name of wanted) if (signers.some((signer) => signer.startsWith(name))) fitting++;
  return fitting * 2 > wanted.size;
};

const microdescriptors: Handler = (rest, { snapshot }) => {
  const digests = new Set(rest.split("-").map(digestOf));
  const found: Array<Buffer> = [];
  for (const digest of digests) {
    const microdescriptor = digest === undefined ? undefined : snapshot.microdescriptors.get(digest);
    if (microdescriptor !== undefined) found.push(microdescriptor.bytes);
  }
  return documents(found);
};

/** A digest as the consensus writes it, whether or not the request has padded it. */
const digestOf = (text: string): string | undefined => {
  const bytes = decodeBase64(text);
  return bytes === undefined ? undefined : encodeBase64(bytes);
};

const certificates =
  (fits: (certificate: DirectorySnapshot["certificates"][number], names: ReadonlySet<string>) => boolean): Handler =>
  (rest, { snapshot }) => {
    const names = new Set(rest.toUpperCase().split("+"));
    return documents(snapshot.certificates.filter((one) => fits(one, names)).map(({ bytes }) => bytes));
  };

/** Longer prefixes stand before shorter ones that they begin with. */
const routes: ReadonlyArray<readonly [prefix: string, handle: Handler]> = [
  ["/tor/server/", ownDocument(({ descriptor }) => descriptor)],
  ["/tor/extra/", ownDocument(({ extraInfo }) => extraInfo)],
  ["/tor/status-vote/current/consensus-microdesc", consensus],
  ["/tor/micro/d/", microdescriptors],
  [
    "/tor/keys/all",
    (rest, served, asked) => (rest === "" ? certificates(() => true)(rest, served, asked) : notFound()),
  ],
  ["/tor/keys/fp/", certificates(({ identity }, names) => names.has(identity))],
  ["/tor/keys/sk/", certificates(({ signingKeyDigest }, names) => names.has(signingKeyDigest))],
  [
    "/tor/keys/fp-sk/",
    certificates(({ identity, signingKeyDigest }, names) => names.has(`${identity}-${signingKeyDigest}`)),
  ],
];
