import { SectionKind } from "../syntax/rules.ts";

/** What stands in a consensus before its authorities (dir-spec 3.4.1). */
export const headerSection = new SectionKind("consensus", {
  "network-status-version": { count: "once", place: "first", min: 1 },
  "vote-status": { count: "once", min: 1 },
  "consensus-method": { count: "maybe", min: 1, max: 1 },
  "valid-after": { count: "once", min: 2 },
  "fresh-until": { count: "once", min: 2 },
  "valid-until": { count: "once", min: 2 },
  "voting-delay": { count: "once", min: 2 },
  "client-versions": { count: "maybe" },
  "server-versions": { count: "maybe" },
  "known-flags": { count: "once" },
  "recommended-client-protocols": { count: "maybe" },
  "recommended-relay-protocols": { count: "maybe" },
  "required-client-protocols": { count: "maybe" },
  "required-relay-protocols": { count: "maybe" },
  params: { count: "maybe" },
  "shared-rand-previous-value": { count: "maybe", min: 2 },
  "shared-rand-current-value": { count: "maybe", min: 2 },
} as const);

/** One authority. */
export const authoritySection = new SectionKind("consensus", {
  "dir-source": { count: "once", place: "first", min: 6 },
  contact: { count: "maybe", text: true },
  "vote-digest": { count: "maybe", min: 1 },
} as const);

const routerItems = {
  a: { count: "any", min: 1 },
  s: { count: "once" },
  // The relay itself chose what stands in these two, so nothing in them makes a consensus wrong.
  v: { count: "maybe", text: true },
  pr: { count: "maybe", text: true },
  w: { count: "maybe", min: 1 },
} as const;

/** One relay, in the `microdesc` flavour (dir-spec 3.9.2). */
export const microdescRouterSection = new SectionKind("consensus", {
  ...routerItems,
  r: { count: "once", place: "first", min: 7 },
  m: { count: "once", min: 1 },
} as const);

/** One relay, in the `ns` flavour. */
export const nsRouterSection = new SectionKind("consensus", {
  ...routerItems,
  r: { count: "once", place: "first", min: 8 },
  p: { count: "maybe", min: 2 },
} as const);

/** What follows the relays. */
export const footerSection = new SectionKind("consensus", {
  "directory-footer": { count: "once", place: "first", max: 0 },
  "bandwidth-weights": { count: "maybe" },
} as const);

/** The signatures, which end the document. */
export const signatureSection = new SectionKind("consensus", {
  "directory-signature": { count: "some", min: 2, object: ["SIGNATURE"] },
} as const);
