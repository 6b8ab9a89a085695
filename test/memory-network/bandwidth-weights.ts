/** Bandwidth by what relays may be used for, in the units of the consensus. */
export interface BandwidthTotals {
  readonly guard: number;
  readonly middle: number;
  readonly exit: number;
  /** Guards that are exits too. */
  readonly both: number;
}

const SCALE = 10_000;

type Weights = Readonly<Record<"Wgg" | "Wgd" | "Wmg" | "Wme" | "Wmd" | "Wee" | "Wed", number>>;

/** The line `bandwidth-weights` of a consensus (dir-spec 3.8.3), as the authorities compute it. */
export const bandwidthWeights = (totals: BandwidthTotals): string => {
  const weights = compute(totals);
  const all: Readonly<Record<string, number>> = {
    ...weights,
    Wbd: weights.Wmd,
    Wbe: weights.Wme,
    Wbg: weights.Wmg,
    Wbm: SCALE,
    Wdb: SCALE,
    Web: SCALE,
    Weg: weights.Wed,
    Wem: SCALE,
    Wgb: SCALE,
    Wgm: weights.Wgg,
    Wmb: SCALE,
    Wmm: SCALE,
  };
  const sorted = Object.entries(all).sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([name, weight]) => `${name}=${Math.trunc(weight)}`).join(" ");
};

const compute = (totals: BandwidthTotals): Weights => {
  // One each, as in `tor`: none of them is nothing.
  const G = totals.guard + 1;
  const M = totals.middle + 1;
  const E = totals.exit + 1;
  const D = totals.both + 1;
  const T = G + M + E + D;
  if (3 * E >= T && 3 * G >= T) {
    const Wee = (SCALE * (E + G + M)) / (3 * E);
    const Wmg = (SCALE * (2 * G - E - M)) / (3 * G);
    const third = SCALE / 3;
    return { Wgd: third, Wed: third, Wmd: third, Wee, Wme: SCALE - Wee, Wmg, Wgg: SCALE - Wmg };
  }
  if (3 * E < T && 3 * G < T) return bothScarce(G, M, E, D);
  return 3 * (Math.min(E, G) + D) < T ? oneScarce(G, M, E) : oneScarceWithRoom(G, M, E, D);
};

/** Case 2: neither guards nor exits are a third of all. */
const bothScarce = (G: number, M: number, E: number, D: number): Weights => {
  if (Math.min(E, G) + D < Math.max(E, G)) {
    const forExits = E < G;
    return { Wgg: SCALE, Wee: SCALE, Wmg: 0, Wme: 0, Wmd: 0, Wed: forExits ? SCALE : 0, Wgd: forExits ? 0 : SCALE };
  }
  const Wee = (SCALE * (E - G + M)) / E;
  const Wed = (SCALE * (D - 2 * E + 4 * G - 2 * M)) / (3 * D);
  const Wme = (SCALE * (G - M)) / E;
  const half = (SCALE - Wed) / 2;
  if ([Wee, Wed, Wme, half].every((weight) => weight >= 0 && weight <= SCALE)) {
    return { Wgg: SCALE, Wgd: half, Wmg: 0, Wme, Wmd: half, Wee, Wed };
  }
  const toExits = Math.min(SCALE, Math.max(0, (SCALE * (D - 2 * E + G + M)) / (3 * D)));
  const toMiddle = Math.min(SCALE - toExits, Math.max(0, (SCALE * (D - 2 * M + G + E)) / (3 * D)));
  return { Wgg: SCALE, Wee: SCALE, Wme: 0, Wmg: 0, Wed: toExits, Wmd: toMiddle, Wgd: SCALE - toExits - toMiddle };
};

/** Case 3a: one of them is less than a third of all, even with all relays that are both. */
const oneScarce = (G: number, M: number, E: number): Weights => {
  if (G < E) {
    const Wme = E < M ? 0 : (SCALE * (E - M)) / (2 * E);
    return { Wgg: SCALE, Wgd: SCALE, Wmg: 0, Wmd: 0, Wed: 0, Wme, Wee: SCALE - Wme };
  }
  const Wmg = G < M ? 0 : (SCALE * (G - M)) / (2 * G);
  return { Wee: SCALE, Wed: SCALE, Wme: 0, Wmd: 0, Wgd: 0, Wmg, Wgg: SCALE - Wmg };
};

/** Case 3b: with those that are both there are enough. */
const oneScarceWithRoom = (G: number, M: number, E: number, D: number): Weights => {
  const share = (scarce: number, other: number): number => {
    const wanted = (SCALE * (D - 2 * scarce + other + M)) / (3 * D);
    return Math.min(SCALE, Math.max(0, wanted));
  };
  if (G < E) {
    const Wgd = share(G, E);
    const Wee = Math.min(SCALE, (SCALE * (E + M)) / (2 * E));
    const half = (SCALE - Wgd) / 2;
    return { Wgg: SCALE, Wgd, Wmg: 0, Wee, Wme: SCALE - Wee, Wmd: half, Wed: half };
  }
  const Wed = share(E, G);
  const Wgg = Math.min(SCALE, (SCALE * (G + M)) / (2 * G));
  const half = (SCALE - Wed) / 2;
  return { Wee: SCALE, Wed, Wme: 0, Wgg, Wmg: SCALE - Wgg, Wmd: half, Wgd: half };
};
