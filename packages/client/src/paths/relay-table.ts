import type { Consensus, Fingerprint, Microdescriptor, RouterStatus } from "@allium/netdoc";
import { Bit, isDescribed, statusBits } from "./bits.ts";
import { CandidateCache } from "./candidates.ts";
import { type FamilyRules, familyRules } from "./families.ts";
import { type Position, positionWeights } from "./weights.ts";

/**
 * What path selection needs of a directory: a consensus, and microdescriptors by their digests. A `DirectorySnapshot`
 * has both, once it has a consensus.
 */
export interface PathDirectory {
  readonly consensus: Consensus;
  readonly microdescriptors: ReadonlyMap<string, Microdescriptor>;
}

/** What the operator says of paths. */
export interface PathOptions {
  /**
   * Whether no two relays of a path may be in one /16 of IPv4, or /32 of IPv6; true (path-spec 2.2, EnforceDistinctSubnets).
   */
  readonly enforceDistinctSubnets?: boolean;
  /** Relays for no position at all (tor's ExcludeNodes); nobody. */
  readonly exclude?: ReadonlySet<Fingerprint>;
  /** Relays for no exit (tor's ExcludeExitNodes); nobody. */
  readonly excludeExits?: ReadonlySet<Fingerprint>;
}

/** A relay that can be a hop: what the consensus says of it, and its keys. */
export interface Relay {
  readonly status: RouterStatus;
  readonly microdescriptor: Microdescriptor;
}

/** What is the same as long as the consensus and the options are. */
interface Columns {
  readonly bits: Uint32Array;
  readonly weights: Map<Position, Float64Array>;
  readonly families: FamilyRules;
}

const nobody: ReadonlySet<Fingerprint> = new Set();
const noOptions: PathOptions = {};

/**
 * The relays of one directory snapshot, in columns: what a choice looks at lies side by side in arrays, so that all relays of
 * the public network are gone through in less than a millisecond. It never changes; a new snapshot makes a new one, and shares
 * what the consensus alone says with the one before.
 */
export class RelayTable {
  readonly consensus: Consensus;
  readonly options: PathOptions;
  /** One row of `Bit` for each relay, in the order of the consensus. */
  readonly bits: Uint32Array;
  /** Who can take which role; found when it is first asked for. */
  readonly candidates: CandidateCache = new CandidateCache();
  readonly #columns: Columns;
  readonly #directory: PathDirectory;
  readonly #microdescriptors: ReadonlyArray<Microdescriptor | undefined>;

  private constructor(directory: PathDirectory, options: PathOptions, columns: Columns) {
    this.consensus = directory.consensus;
    this.options = options;
    this.#directory = directory;
    this.#columns = columns;
    this.bits = columns.bits.slice();
    this.#microdescriptors = this.consensus.routers.map((router, index) => {
      const microdescriptor = directory.microdescriptors.get(router.descriptorDigest);
      const bits = this.bits[index] as number;
      if (isDescribed(bits, microdescriptor)) this.bits[index] = bits | Bit.described;
      return microdescriptor;
    });
  }

  /**
   * The table of a snapshot.
   *
   * @param previous that of the snapshot before: the same one comes back if nothing has changed, and what the consensus says is
   *   not read again if only microdescriptors came
   */
  static of(directory: PathDirectory, options: PathOptions = noOptions, previous?: RelayTable): RelayTable {
    const same = previous?.consensus === directory.consensus && previous.options === options ? previous : undefined;
    if (same !== undefined && same.#directory.microdescriptors === directory.microdescriptors) return same;
    return new RelayTable(directory, options, same === undefined ? readColumns(directory, options) : same.#columns);
  }

  /** How many relays the consensus has. */
  get size(): number {
    return this.bits.length;
  }

  /** What makes a family. */
  get families(): FamilyRules {
    return this.#columns.families;
  }

  /** The weight of each relay in a position, in the order of the consensus (dir-spec 3.8.3). */
  weights(position: Position): Float64Array {
    const before = this.#columns.weights.get(position);
    if (before !== undefined) return before;
    const made = positionWeights(this.consensus, this.#columns.bits, position);
    this.#columns.weights.set(position, made);
    return made;
  }

  /** What the consensus says of the relay at a place. */
  statusAt(index: number): RouterStatus {
    return this.consensus.routers[index] as RouterStatus;
  }

  /** The microdescriptor of the relay at a place, if it is there. */
  microdescriptorAt(index: number): Microdescriptor | undefined {
    return this.#microdescriptors[index];
  }

  /** The relay at a place, which must have the bit `described`. */
  relayAt(index: number): Relay {
    return { status: this.statusAt(index), microdescriptor: this.#microdescriptors[index] as Microdescriptor };
  }

  /** The place of a relay in the consensus, or -1. */
  indexOf(fingerprint: Fingerprint): number {
    const { routers } = this.consensus;
    let low = 0;
    let high = routers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((routers[middle] as RouterStatus).fingerprint < fingerprint) low = middle + 1;
      else high = middle;
    }
    return routers[low]?.fingerprint === fingerprint ? low : -1;
  }

  /** A relay by its fingerprint, if it is in the consensus and its microdescriptor is there: it may be down, or excluded. */
  find(fingerprint: Fingerprint): Relay | undefined {
    const index = this.indexOf(fingerprint);
    return index >= 0 && ((this.bits[index] as number) & Bit.described) !== 0 ? this.relayAt(index) : undefined;
  }
}

const readColumns = ({ consensus }: PathDirectory, options: PathOptions): Columns => {
  const bits = statusBits(consensus.routers);
  const { exclude = nobody, excludeExits = nobody } = options;
  if (exclude.size + excludeExits.size > 0)
    consensus.routers.forEach(({ fingerprint }, index) => {
      if (exclude.has(fingerprint)) bits[index] = (bits[index] as number) | Bit.excluded;
      if (excludeExits.has(fingerprint)) bits[index] = (bits[index] as number) | Bit.excludedExit;
    });
  return { bits, weights: new Map(), families: familyRules(consensus.params) };
};
