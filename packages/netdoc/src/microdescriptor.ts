import { hash } from "node:crypto";
import { PortPolicy } from "./policy/port-policy.ts";
import { runSteps, type Steps } from "./steps.ts";
import { type Batch, parseBatchSteps } from "./syntax/batch.ts";
import type { Item } from "./syntax/item.ts";
import { ItemReader } from "./syntax/reader.ts";
import { SectionKind } from "./syntax/rules.ts";
import type { Source } from "./syntax/source.ts";
import { encodeBase64 } from "./values/encodings.ts";
import { familyMember } from "./values/fingerprint.ts";
import { key32, readPortPolicy, rsaKeyLabel } from "./values/read.ts";
import { shared } from "./values/shared.ts";

const document = "microdescriptor";
const startKeyword = "onion-key";

const microdescriptorSection = new SectionKind(document, {
  [startKeyword]: { count: "once", place: "first", max: 0, object: [rsaKeyLabel], objectOptional: true },
  "ntor-onion-key": { count: "once", min: 1 },
  family: { count: "maybe" },
  "family-ids": { count: "maybe" },
  p: { count: "maybe", min: 2 },
  p6: { count: "maybe", min: 2 },
  id: { count: "any", min: 2 },
} as const);

/** What a client must know of a relay beyond the consensus (dir-spec 3.3). */
export interface Microdescriptor {
  /** SHA-256 of its text in base64 without padding: its name in the consensus and in requests. */
  readonly digest: string;
  /** The relay's onion key for ntor, 32 bytes. */
  readonly ntorOnionKey: Buffer;
  /** Its Ed25519 identity, 32 bytes. To be ignored if the consensus gives the relay the flag `NoEdConsensus`. */
  readonly ed25519Identity: Buffer | undefined;
  /** Whether it still carries a key for the obsolete TAP handshake. */
  readonly hasTapKey: boolean;
  /**
   * Relays that it claims as family: nicknames, or `$` and a fingerprint. The claim counts if it is mutual. Entries of another
   * form are left out, for the sake of what comes later.
   */
  readonly family: ReadonlyArray<string>;
  /** The family keys that vouch for it, as in `ed25519:...`; two relays that share one are family (proposal 321). */
  readonly familyIds: ReadonlyArray<string>;
  /** The summary of its policy for IPv4. */
  readonly policy: PortPolicy;
  /** The summary of its policy for IPv6. */
  readonly ipv6Policy: PortPolicy;
  /** The text, without annotations: a view on the input. */
  readonly bytes: Buffer;
}

const nobody: ReadonlyArray<string> = [];

/** What many microdescriptors of a batch have in common. */
interface Shared {
  readonly families: Map<string, ReadonlyArray<string>>;
  readonly familyIds: Map<string, ReadonlyArray<string>>;
  readonly policies: Map<string, PortPolicy>;
}

/**
 * Reads microdescriptors that follow each other, as in the answer to `/tor/micro/d/...` or in a cache's file, whose annotations
 * (`@last-listed ...`) are skipped and belong to no digest. Nothing of a microdescriptor is signed: it is worth believing if
 * its digest is in a consensus.
 */
export const parseMicrodescriptors = (input: string | Uint8Array): Batch<Microdescriptor> =>
  runSteps(parseMicrodescriptorsSteps(input));

/** As {@link parseMicrodescriptors}, in steps: those of the public network take some 60 ms. */
export const parseMicrodescriptorsSteps = (input: string | Uint8Array): Steps<Batch<Microdescriptor>> => {
  const shared: Shared = { families: new Map(), familyIds: new Map(), policies: new Map() };
  return parseBatchSteps(document, input, startKeyword, (source) => parseOne(source, shared));
};

const parseOne = (source: Source, shared: Shared): Microdescriptor => {
  const reader = ItemReader.behindAnnotations(source);
  const start = reader.peek()?.start ?? source.start;
  const section = microdescriptorSection.read(reader);
  const onionKey = section.one(startKeyword);
  // Nobody uses the key, and to look whether it is one would take most of the time here.
  if (onionKey.object !== undefined) onionKey.objectBytes();
  const bytes = source.bytes.subarray(start, source.end);
  return {
    digest: encodeBase64(hash("sha256", bytes, "buffer")),
    ntorOnionKey: section.one("ntor-onion-key").read(0, key32, "a Curve25519 key in base64"),
    ed25519Identity: readIdentity(section.all("id")),
    hasTapKey: onionKey.object !== undefined,
    family: share(shared.families, section.maybe("family"), nobody, readFamily),
    familyIds: share(shared.familyIds, section.maybe("family-ids"), nobody, (item) => item.words),
    policy: share(shared.policies, section.maybe("p"), PortPolicy.rejectAll, readPortPolicy),
    ipv6Policy: share(shared.policies, section.maybe("p6"), PortPolicy.rejectAll, readPortPolicy),
    bytes,
  };
};

const readIdentity = (items: ReadonlyArray<Item>): Buffer | undefined => {
  const kinds = new Set<string>();
  let identity: Buffer | undefined;
  for (const item of items) {
    const kind = item.words[0] ?? "";
    if (kinds.has(kind)) throw item.error("duplicate-item", `names a second ${kind} identity`);
    kinds.add(kind);
    if (kind === "ed25519") identity = item.read(1, key32, "an Ed25519 key in base64");
  }
  return identity;
};

const readFamily = (item: Item): ReadonlyArray<string> => item.words.filter((word) => familyMember(word) !== undefined);

/** What an item says, made once for each distinct text of the batch; `absent`, if there is no item. */
const share = <A>(values: Map<string, A>, item: Item | undefined, absent: A, read: (item: Item) => A): A =>
  item === undefined ? absent : shared(values, item.rest, () => read(item));
