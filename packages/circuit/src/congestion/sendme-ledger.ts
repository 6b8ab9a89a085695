import { timingSafeEqual } from "node:crypto";
import { CongestionError } from "./errors.ts";
import type { Micros } from "./units.ts";

/** The longest tag there is: the first 20 bytes of a running digest (tor-spec 7.3.1). CGO's are 16. */
const tagLengthMax = 20;

/** The newest version of SENDME that is spoken here (tor-spec 7.3.1). */
const newestVersion = 1;

const NO_TAGS = Buffer.alloc(0);
const NO_TIMES = new Float64Array(0);

/** Places for expected SENDMEs to begin with: as many as the initial window of Vegas has. */
const firstCapacity = 4;

/**
 * What was sent and not acknowledged: how many cells, and of each cell that the other end will acknowledge with a SENDME the
 * authentication tag and the time of its sending, in the order of sending (tor-spec 7.3, proposal 289).
 *
 * A ring that is allocated with the first expected SENDME, so that an idle circuit has none.
 */
export class SendmeLedger {
  readonly #sendmeInc: number;
  readonly #acceptMinVersion: number;
  #tags: Buffer = NO_TAGS;
  #tagLengths: Uint8Array = NO_TAGS;
  #sentAt: Float64Array = NO_TIMES;
  #first = 0;
  #expected = 0;
  #inflight = 0;
  /** Set between `onCellSent` and `rememberTag`, when the last entry has no tag yet. */
  #tagIsDue = false;

  /**
   * @param sendmeInc cells that one SENDME acknowledges
   * @param acceptMinVersion the lowest version of SENDME that the network accepts
   */
  constructor(sendmeInc: number, acceptMinVersion: number) {
    this.#sendmeInc = sendmeInc;
    this.#acceptMinVersion = acceptMinVersion;
  }

  /** Cells sent and not acknowledged. */
  get inflight(): number {
    return this.#inflight;
  }

  /** SENDMEs that the other end owes. */
  get expected(): number {
    return this.#expected;
  }

  /** Counts a cell. True if the other end will acknowledge this one, so that its tag is due. */
  onCellSent(nowUs: Micros): boolean {
    if (this.#tagIsDue) throw new Error("The tag of the cell before this one was not remembered");
    this.#inflight++;
    if (this.#inflight % this.#sendmeInc !== 0) return false;
    if (this.#expected === this.#sentAt.length) this.#grow();
    this.#sentAt[this.#place(this.#expected)] = nowUs;
    this.#expected++;
    this.#tagIsDue = true;
    return true;
  }

  /** Takes the tag that is due. */
  rememberTag(tag: Uint8Array): void {
    if (!this.#tagIsDue) throw new Error("No tag is due");
    if (tag.length === 0 || tag.length > tagLengthMax) throw new Error(`A tag of ${tag.length} bytes`);
    const place = this.#place(this.#expected - 1);
    this.#tags.set(tag, place * tagLengthMax);
    this.#tagLengths[place] = tag.length;
    this.#tagIsDue = false;
  }

  /**
   * Checks a SENDME against the oldest cell that one is expected for, and strikes that off the list; the cells stay counted as
   * in flight until {@link acknowledge}.
   *
   * @returns when the cell was sent
   * @throws CongestionError
   */
  settle(version: number, tag: Uint8Array | undefined): Micros {
    if (version < this.#acceptMinVersion || version > newestVersion) {
      throw new CongestionError(
        "sendme-version",
        `SENDME of version ${version}; accepted: ${this.#acceptMinVersion} to ${newestVersion}`,
      );
    }
    // A cell without its tag has not been sealed, so nobody can have seen it.
    if (this.#expected === (this.#tagIsDue ? 1 : 0)) {
      throw new CongestionError("sendme-unexpected", `SENDME with ${this.#inflight} cells in flight`);
    }
    const place = this.#first;
    if (version === 1 && !this.#tagMatches(place, tag)) {
      throw new CongestionError("sendme-tag", "SENDME that does not prove to have seen the cell");
    }
    this.#first = (this.#first + 1) % this.#sentAt.length;
    this.#expected--;
    return this.#sentAt[place] as Micros;
  }

  /** Counts the cells of one SENDME out. */
  acknowledge(): void {
    this.#inflight -= this.#sendmeInc;
  }

  #tagMatches(place: number, tag: Uint8Array | undefined): boolean {
    const length = this.#tagLengths[place]!;
    if (tag === undefined || tag.length < length) return false;
    const at = place * tagLengthMax;
    return timingSafeEqual(this.#tags.subarray(at, at + length), tag.subarray(0, length));
  }

  /** Where the entry number `index` of the expected ones lies. */
  #place(index: number): number {
    return (this.#first + index) % this.#sentAt.length;
  }

  #grow(): void {
    const old = this.#sentAt.length;
    const capacity = Math.max(old * 2, firstCapacity);
    const tags = Buffer.alloc(capacity * tagLengthMax);
    const tagLengths = new Uint8Array(capacity);
    const sentAt = new Float64Array(capacity);
    for (let index = 0; index < this.#expected; index++) {
      const place = this.#place(index);
      this.#tags.copy(tags, index * tagLengthMax, place * tagLengthMax, (place + 1) * tagLengthMax);
      tagLengths[index] = this.#tagLengths[place]!;
      sentAt[index] = this.#sentAt[place]!;
    }
    this.#tags = tags;
    this.#tagLengths = tagLengths;
    this.#sentAt = sentAt;
    this.#first = 0;
  }
}
