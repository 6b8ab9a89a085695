import { ValidityError } from "../errors.ts";
import type { NetParams } from "../params.ts";
import type { Fingerprint } from "../values/fingerprint.ts";
import type { UnixMillis } from "../values/time.ts";
import type { Lifetime } from "./lifetime.ts";
import type {
  ConsensusFlavor,
  ProtocolRequirements,
  RouterStatus,
  SharedRandomValue,
  VotingAuthority,
} from "./model.ts";

/** The scale of the bandwidth weights (param-spec, `bwweightscale`). */
const weightScale = { default: 10_000, min: 1, max: 0x7fff_ffff };

/** What stands in a consensus before its relays. */
export type ConsensusHeader = Pick<
  Consensus,
  | "flavor"
  | "method"
  | "lifetime"
  | "votingDelay"
  | "clientVersions"
  | "serverVersions"
  | "knownFlags"
  | "recommendedProtocols"
  | "requiredProtocols"
  | "params"
  | "sharedRandom"
  | "authorities"
>;

/**
 * What the authorities agree on: a consensus whose signatures were checked (dir-spec 3.4.1, 3.9). Whether it is still valid is
 * asked of its `lifetime`.
 */
export class Consensus {
  readonly flavor: ConsensusFlavor;
  /** The method by which it was computed from the votes (dir-spec 3.8.1). */
  readonly method: number;
  readonly lifetime: Lifetime;
  /** How long authorities wait for votes, and for signatures, in seconds. */
  readonly votingDelay: { readonly vote: number; readonly signatures: number };
  readonly clientVersions: ReadonlyArray<string>;
  readonly serverVersions: ReadonlyArray<string>;
  /** The flags that this consensus has an opinion about. */
  readonly knownFlags: ReadonlyArray<string>;
  readonly recommendedProtocols: ProtocolRequirements;
  readonly requiredProtocols: ProtocolRequirements;
  readonly params: NetParams;
  readonly sharedRandom: {
    readonly previous: SharedRandomValue | undefined;
    readonly current: SharedRandomValue | undefined;
  };
  readonly authorities: ReadonlyArray<VotingAuthority>;
  /** The relays, in ascending order of their fingerprints. */
  readonly routers: ReadonlyArray<RouterStatus>;
  /** Weights for path selection, as in `Wgg`; see {@link weight}. */
  readonly bandwidthWeights: NetParams;
  /** The digest that the authorities signed: SHA-256 in the `microdesc` flavour, SHA-1 in the `ns` flavour. */
  readonly digest: Buffer;

  constructor(
    header: ConsensusHeader,
    routers: ReadonlyArray<RouterStatus>,
    bandwidthWeights: NetParams,
    digest: Buffer,
  ) {
    this.flavor = header.flavor;
    this.method = header.method;
    this.lifetime = header.lifetime;
    this.votingDelay = header.votingDelay;
    this.clientVersions = header.clientVersions;
    this.serverVersions = header.serverVersions;
    this.knownFlags = header.knownFlags;
    this.recommendedProtocols = header.recommendedProtocols;
    this.requiredProtocols = header.requiredProtocols;
    this.params = header.params;
    this.sharedRandom = header.sharedRandom;
    this.authorities = header.authorities;
    this.routers = routers;
    this.bandwidthWeights = bandwidthWeights;
    this.digest = digest;
  }

  /** The relay with an identity; undefined if it is not listed. */
  router(fingerprint: Fingerprint): RouterStatus | undefined {
    let low = 0;
    let high = this.routers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const router = this.routers[middle];
      if (router === undefined) return undefined;
      if (router.fingerprint === fingerprint) return router;
      if (router.fingerprint < fingerprint) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /**
   * One of the weights of dir-spec 3.8.3 as a fraction from 0 to 1, as in `weight("Wgg")`. One, if the consensus does not have
   * it: then nothing is preferred.
   */
  weight(name: string): number {
    const scale = this.params.get("bwweightscale", weightScale);
    return this.bandwidthWeights.get(name, { default: scale, min: 0, max: scale }) / scale;
  }

  /**
   * Checks that it may be used at a time: as `lifetime.check`, but early by the time in which the authorities hand out
   * a consensus that is not valid yet (dir-spec 3.4.1, `valid-after`).
   *
   * @param late how long after its end it may still be used, in milliseconds
   * @throws ValidityError if it may not
   */
  checkUsable(now: UnixMillis, late = 0): void {
    this.lifetime.check(now, this.votingDelay.signatures * 1000, late);
  }

  /** As {@link checkUsable}, as an answer. */
  isUsable(now: UnixMillis, late = 0): boolean {
    try {
      this.checkUsable(now, late);
      return true;
    } catch (error) {
      if (error instanceof ValidityError) return false;
      throw error;
    }
  }
}
