import { type Consensus, Protocols, type UnixMillis } from "@allium/netdoc";

/**
 * The subprotocols that this client speaks (tor-spec 9, "Subprotocol versioning").
 *
 * | subprotocol | what it takes |
 * | --- | --- |
 * | `Conflux` 1 | tunnels of several circuits |
 * | `Cons`, `Microdesc` 1-3, `Desc` 1-4 | the consensus and microdescriptors: Ed25519 identities, no TAP keys, family keys |
 * | `DirCache` 2 | consensus diffs |
 * | `FlowCtrl` 1-2 | authenticated SENDMEs; congestion control |
 * | `Link` 4-5, `LinkAuth` 3 | four-byte circuit IDs, channel padding; authentication by the TLS exporter |
 * | `Relay` 2-4 | ntor, extending over IPv6, ntor-v3 |
 *
 * It has no `Padding` machines, and knows nothing of onion services (`HSDir`, `HSIntro`, `HSRend`).
 */
export const CLIENT_PROTOCOLS: Protocols =
  Protocols.parse("Conflux=1 Cons=1-2 Desc=1-4 DirCache=2 FlowCtrl=1-2 Link=4-5 LinkAuth=3 Microdesc=1-3 Relay=2-4") ??
  Protocols.none;

/**
 * About when this version was made. What a consensus from before that asks of clients may be long obsolete, and is not looked at
 * (tor-spec 9). To be moved forward with each release.
 */
export const RELEASED_AT: UnixMillis = Date.UTC(2026, 10, 22);

/** Subprotocols that a network asks of clients, and this one does not speak: each with its versions, as in `Relay=5`. */
export interface UnspokenProtocols {
  /** Without these the client must not connect to the network. */
  readonly required: ReadonlyArray<string>;
  /**
   * Without these it is obsolete, and its user should know. Those of onion services are left out: it is no news that it has none.
   */
  readonly recommended: ReadonlyArray<string>;
}

/**
 * What a consensus requires and recommends of clients that this one does not speak (tor-spec 9; dir-spec 3.4.1,
 * `required-client-protocols`).
 *
 * @param releasedAt consensuses from before that ask nothing
 */
export const unspokenProtocols = (
  consensus: Pick<Consensus, "lifetime" | "requiredProtocols" | "recommendedProtocols">,
  releasedAt: UnixMillis = RELEASED_AT,
): UnspokenProtocols => {
  const { lifetime, requiredProtocols, recommendedProtocols } = consensus;
  if (lifetime.validAfter < releasedAt) return { required: [], recommended: [] };
  return {
    required: missing(requiredProtocols.client),
    recommended: missing(recommendedProtocols.client).filter((protocol) => !isOfOnionServices.test(protocol)),
  };
};

const isOfOnionServices = /^HS(?:Dir|Intro|Rend)=/;

const missing = (asked: Protocols): ReadonlyArray<string> =>
  CLIENT_PROTOCOLS.missing(asked)
    .split(" ")
    .filter((protocol) => protocol !== "");
