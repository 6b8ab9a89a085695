import type { End } from "./clients.ts";

/** Who is at the ends of a tunnel, and whether it has two legs or one. */
export interface PairCase {
  readonly client: End;
  readonly exit: End;
  readonly conflux: boolean;
}

/** All of them. */
export const PAIRS: ReadonlyArray<PairCase> = (["tor", "Allium"] as const).flatMap((client) =>
  (["tor", "Allium"] as const).flatMap((exit) => [true, false].map((conflux) => ({ client, exit, conflux }))),
);

/** How many circuits its tunnels have. */
export const legsOf = ({ conflux }: Pick<PairCase, "conflux">): number => (conflux ? 2 : 1);

/** For progress. */
export const describePair = ({ client, exit, conflux }: PairCase): string =>
  `${client} to ${exit}${conflux ? "" : " without conflux"}`;
