import { createHash } from "node:crypto";
import { encodeBase64, type Fingerprint, formatTime, type RelayFlag } from "@allium/netdoc";
import type { AuthorityKeys } from "../../packages/directory/test/support/authority-keys.ts";
import { type BandwidthTotals, bandwidthWeights } from "./bandwidth-weights.ts";

/** What a consensus says of a relay. */
export interface DraftRelay {
  readonly nickname: string;
  /** SHA-1 of its RSA identity. */
  readonly rsaId: Buffer;
  address: string;
  orPort: number;
  readonly flags: Set<RelayFlag>;
  bandwidth: number;
  protocols: string;
  version: string;
  /** Its microdescriptor. One that is changed here is served too. */
  microdescriptor: string;
}

/** An authority, as a consensus names it. */
export interface DraftAuthority {
  readonly nickname: string;
  readonly v3Identity: Fingerprint;
  readonly address: string;
  readonly dirPort: number;
  readonly orPort: number;
}

/** A consensus that is about to be written: what tests may change. */
export interface ConsensusDraft {
  validAfter: number;
  freshUntil: number;
  validUntil: number;
  readonly params: Map<string, number>;
  requiredClientProtocols: string;
  recommendedClientProtocols: string;
  requiredRelayProtocols: string;
  recommendedRelayProtocols: string;
  relays: Array<DraftRelay>;
  readonly authorities: ReadonlyArray<DraftAuthority>;
  /** Who signs it. */
  signers: Array<AuthorityKeys>;
  /** The line `bandwidth-weights`. @default computed */
  weights: string | undefined;
}

/** The relay of a draft with this nickname. */
export const draftRelay = (draft: ConsensusDraft, nickname: string): DraftRelay => {
  const found = draft.relays.find((relay) => relay.nickname === nickname);
  if (found === undefined) throw new Error(`no relay is called ${nickname}`);
  return found;
};

/** What clients must and should speak, as in `tor` 0.4.9. */
export const REQUIRED_CLIENT_PROTOCOLS = "Cons=2 Desc=2 FlowCtrl=1 Link=4 Microdesc=2 Relay=2";
export const RECOMMENDED_CLIENT_PROTOCOLS =
  "Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4 HSRend=2 Link=4-5 Microdesc=2 Relay=2-4";

/** And relays. */
export const RELAY_PROTOCOLS =
  "Conflux=1 Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=2 Link=4-5 LinkAuth=3 Microdesc=2 Relay=2-4";

const KNOWN_FLAGS =
  "Authority BadExit Exit Fast Guard HSDir MiddleOnly NoEdConsensus Running Stable StaleDesc Sybil V2Dir Valid";

/** SHA-256 of a microdescriptor, as a consensus names it. */
export const microdescriptorDigest = (text: string): string => encodeBase64(createHash("sha256").update(text).digest());

/** The consensus of the `microdesc` flavour (dir-spec 3.4.1, 3.9.2), signed. */
export const writeConsensus = (draft: ConsensusDraft): Buffer => {
  const authorities = [...draft.authorities].sort((one, other) => compare(one.v3Identity, other.v3Identity));
  const sources = authorities.flatMap(({ nickname, v3Identity, address, dirPort, orPort }) => [
    `dir-source ${nickname} ${v3Identity} ${address} ${address} ${dirPort} ${orPort}`,
    `contact ${nickname}@example.org`,
    `vote-digest ${createHash("sha1").update(`${nickname} ${draft.validAfter}`).digest("hex").toUpperCase()}`,
  ]);
  const relays = [...draft.relays].sort((one, other) => Buffer.compare(one.rsaId, other.rsaId));
  const params = [...draft.params].sort(([one], [other]) => compare(one, other));
  const lines = [
    "network-status-version 3 microdesc",
    "vote-status consensus",
    "consensus-method 35",
    `valid-after ${formatTime(draft.validAfter)}`,
    `fresh-until ${formatTime(draft.freshUntil)}`,
    `valid-until ${formatTime(draft.validUntil)}`,
    "voting-delay 300 300",
    "client-versions 0.4.8.1,0.4.9.11",
    "server-versions 0.4.8.1,0.4.9.11",
    `known-flags ${KNOWN_FLAGS}`,
    `recommended-client-protocols ${draft.recommendedClientProtocols}`,
    `recommended-relay-protocols ${draft.recommendedRelayProtocols}`,
    `required-client-protocols ${draft.requiredClientProtocols}`,
    `required-relay-protocols ${draft.requiredRelayProtocols}`,
    ...(params.length === 0 ? [] : [`params ${params.map(([name, value]) => `${name}=${value}`).join(" ")}`]),
    ...sources,
    ...relays.flatMap((relay) => [
      `r ${relay.nickname} ${encodeBase64(relay.rsaId)} 2038-01-01 00:00:00 ${relay.address} ${relay.orPort} 0`,
      `m ${microdescriptorDigest(relay.microdescriptor)}`,
      `s ${[...relay.flags].sort().join(" ")}`,
      `v ${relay.version}`,
      `pr ${relay.protocols}`,
      `w Bandwidth=${relay.bandwidth}`,
    ]),
    "directory-footer",
    `bandwidth-weights ${draft.weights ?? bandwidthWeights(totals(relays))}`,
  ];
  const unsigned = `${lines.join("\n")}\n`;
  const signers = [...draft.signers].sort((one, other) => compare(one.identity, other.identity));
  return Buffer.from(unsigned + signers.map((keys) => keys.signature(unsigned)).join(""), "latin1");
};

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const totals = (relays: ReadonlyArray<DraftRelay>): BandwidthTotals => {
  const sums = { guard: 0, middle: 0, exit: 0, both: 0 };
  for (const { flags, bandwidth } of relays) {
    if (!flags.has("Running") || !flags.has("Valid")) continue;
    const isExit = flags.has("Exit") && !flags.has("BadExit");
    if (flags.has("Guard")) sums[isExit ? "both" : "guard"] += bandwidth;
    else sums[isExit ? "exit" : "middle"] += bandwidth;
  }
  return sums;
};
