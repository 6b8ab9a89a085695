import type { AuthorityCertificate } from "@allium/netdoc";
import { badRequest, documents, type Handler, namesOf, notFound, refuse } from "./model.ts";

const LIFETIME_SECONDS = 3600;

/** Answers what follows `/tor/keys/`. */
export const certificates: Handler = (rest, asked) => {
  const { snapshot } = asked.served;
  const found = select(rest, snapshot.certificates);
  if (found === undefined) return badRequest;
  if (found.length === 0) return notFound();
  const since = asked.modifiedSince;
  const newer = since === undefined ? found : found.filter(({ published }) => published >= since);
  if (newer.length === 0) return refuse(304, "Not modified");
  return documents(
    newer.map(({ bytes }) => bytes),
    asked,
    LIFETIME_SECONDS,
  );
};

/** Those that are asked for; undefined if the request makes no sense. */
const select = (
  rest: string,
  held: ReadonlyArray<AuthorityCertificate>,
): ReadonlyArray<AuthorityCertificate> | undefined => {
  if (rest === "all") return held;
  // This is no authority, and has none of its own.
  if (rest === "authority") return [];
  const { kind, names } = namesOf(rest);
  switch (kind) {
    case "fp/":
      return [...names].flatMap((name) => newestOf(held, name));
    case "sk/":
      return held.filter(({ signingKeyDigest }) => names.has(signingKeyDigest));
    case "fp-sk/":
      return held.filter(({ identity, signingKeyDigest }) => names.has(`${identity}-${signingKeyDigest}`));
    default:
      return undefined;
  }
};

const newestOf = (held: ReadonlyArray<AuthorityCertificate>, identity: string): ReadonlyArray<AuthorityCertificate> =>
  held
    .filter((one) => one.identity === identity)
    .sort((one, other) => other.published - one.published)
    .slice(0, 1);
