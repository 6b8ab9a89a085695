import { SectionKind } from "../syntax/rules.ts";
import { signatureRules } from "./signatures.ts";

const history = { count: "maybe", min: 4 } as const;

/** The items of an extra-info document that have a meaning of their own here. */
export const extraInfoSection = new SectionKind("extra-info document", {
  ...signatureRules,
  "extra-info": { count: "once", place: "first", min: 2 },
  published: { count: "once", min: 2 },
  "write-history": history,
  "read-history": history,
  "ipv6-write-history": history,
  "ipv6-read-history": history,
  "dirreq-write-history": history,
  "dirreq-read-history": history,
  "overload-ratelimits": { count: "maybe", min: 7 },
  "overload-fd-exhausted": { count: "maybe", min: 3 },
} as const);
