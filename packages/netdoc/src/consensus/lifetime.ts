import { ValidityError } from "../errors.ts";
import type { UnixMillis } from "../values/time.ts";

/** The three times of a consensus (dir-spec 1.4), in milliseconds since 1970. */
export class Lifetime {
  /** From here on it is in use. */
  readonly validAfter: UnixMillis;
  /** From here on there should be a newer one. */
  readonly freshUntil: UnixMillis;
  /** From here on it should not be used any more. */
  readonly validUntil: UnixMillis;

  constructor(validAfter: UnixMillis, freshUntil: UnixMillis, validUntil: UnixMillis) {
    this.validAfter = validAfter;
    this.freshUntil = freshUntil;
    this.validUntil = validUntil;
  }

  /** Whether no newer consensus is expected yet. */
  isFresh(now: UnixMillis): boolean {
    return now >= this.validAfter && now < this.freshUntil;
  }

  /**
   * Checks that it is valid at a time.
   *
   * @param early how long before its beginning it may be used: authorities hand it out while they still gather signatures
   * @param late how long after its end it may be used: clients go on for a day, if there is no newer one (dir-spec 1.4)
   * @throws ValidityError if it is not
   */
  check(now: UnixMillis, early = 0, late = 0): void {
    if (now < this.validAfter - early) throw new ValidityError("consensus", "not-yet-valid", this.validAfter, now);
    if (now >= this.validUntil + late) throw new ValidityError("consensus", "expired", this.validUntil, now);
  }
}
