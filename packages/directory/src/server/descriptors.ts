import { decodeBase64, encodeBase64, type UnixMillis } from "@allium/netdoc";
import { type Answer, type Asked, documents, type Handler, namesOf, notFound } from "./model.ts";

/** How long others may keep what is named by its digest: it never changes. */
const BY_DIGEST_SECONDS = 48 * 3600;
/** And everybody's descriptors, which do. */
const ALL_SECONDS = 3600;

/** A descriptor that is older is not handed out by the name of its relay, as with `tor` (ROUTER_MAX_AGE_TO_PUBLISH). */
const MAX_AGE_MILLIS = 24 * 3_600_000;

/** Answers what follows `/tor/micro/d/`. */
export const microdescriptors: Handler = (rest, asked) => {
  const found: Array<Buffer> = [];
  for (const digest of new Set(rest.split("-").map(digestOf))) {
    const one = digest === undefined ? undefined : asked.served.snapshot.microdescriptors.get(digest);
    if (one !== undefined) found.push(one.bytes);
  }
  return documents(found, asked, BY_DIGEST_SECONDS);
};

/** A digest as the consensus writes it, whether or not the request has padded it. */
const digestOf = (text: string): string | undefined => {
  const bytes = decodeBase64(text);
  return bytes === undefined ? undefined : encodeBase64(bytes);
};

/** What router descriptors and extra-info documents have in common. */
interface Entry {
  readonly published: UnixMillis;
  readonly bytes: Buffer;
}

/** Where documents of one kind are found. */
interface Shelf {
  readonly all: () => Iterable<Entry>;
  readonly byDigest: (digest: string) => Entry | undefined;
  readonly byRelay: (fingerprint: string) => Entry | undefined;
  readonly own: () => Buffer | undefined;
}

/** Answers what follows `/tor/server/`. */
export const routers: Handler = (rest, asked) => {
  const { descriptors, own } = asked.served;
  return fromShelf(rest, asked, {
    all: () => descriptors.routers(),
    byDigest: (digest) => (own?.router?.digest === digest ? own.router : descriptors.router(digest)),
    byRelay: (name) => (own?.router?.fingerprint === name ? own.router : descriptors.routerOf(name)),
    own: () => own?.descriptor,
  });
};

/** Answers what follows `/tor/extra/`. */
export const extraInfos: Handler = (rest, asked) => {
  const { descriptors, own } = asked.served;
  const ofRelay = (name: string) => descriptors.extraInfo(descriptors.routerOf(name)?.extraInfo ?? "");
  return fromShelf(rest, asked, {
    all: () => descriptors.extraInfos(),
    byDigest: (digest) =>
      own?.signedExtraInfo?.digest === digest ? own.signedExtraInfo : descriptors.extraInfo(digest),
    byRelay: (name) => (own?.router?.fingerprint === name ? own.signedExtraInfo : ofRelay(name)),
    own: () => own?.extraInfo,
  });
};

const fromShelf = (rest: string, asked: Asked, shelf: Shelf): Answer => {
  const { kind, names } = namesOf(rest);
  const isRecent = ({ published }: Entry): boolean => published >= asked.now - MAX_AGE_MILLIS;
  switch (kind) {
    case "all":
      return answer([...shelf.all()].filter(isRecent), asked, ALL_SECONDS);
    case "authority": {
      const own = shelf.own();
      return own === undefined ? unavailable : documents([own], asked, BY_DIGEST_SECONDS);
    }
    case "d/":
      return answer([...names].map(shelf.byDigest), asked);
    case "fp/":
      return answer(
        [...names].map(shelf.byRelay).filter((entry) => entry !== undefined && isRecent(entry)),
        asked,
      );
    default:
      return notFound();
  }
};

const unavailable = notFound("Servers unavailable");

const answer = (entries: ReadonlyArray<Entry | undefined>, asked: Asked, lifetime?: number): Answer => {
  const parts = entries.filter((entry) => entry !== undefined).map(({ bytes }) => bytes);
  if (parts.length === 0) return unavailable;
  return documents(parts, asked, lifetime ?? (parts.length === 1 ? BY_DIGEST_SECONDS : 0));
};
