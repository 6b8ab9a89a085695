import type { BenchedClient, End } from "./clients.ts";
import type { ConfluxBench } from "./network.ts";

/** Who is at the ends of a tunnel. */
export interface Ends {
  readonly client: End;
  readonly exit: End;
}

/** All of them. */
export const ENDS: ReadonlyArray<Ends> = (["tor", "Allium"] as const).flatMap((client) =>
  (["tor", "Allium"] as const).map((exit) => ({ client, exit })),
);

/** A client that has tunnels of two legs, or of one. */
export interface PairCase {
  readonly ends: Ends;
  readonly legs: 1 | 2;
  readonly client: BenchedClient;
}

/** For progress. */
export const describePair = ({ ends: { client, exit }, legs }: PairCase): string =>
  `${client} to ${exit}, ${legs === 1 ? "one leg" : "two legs"}`;

/**
 * Does work with two clients of the same kind, one with two legs and one with one, so that they can be measured in turn: what changes
 * meanwhile, in the machine or in an exit that is only warming up, changes both.
 *
 * @param without a guard that is not used by who has one leg
 */
export const withBoth = async <A>(
  bench: ConfluxBench,
  ends: Ends,
  work: (both: ReadonlyArray<PairCase>) => Promise<A>,
  without?: string,
): Promise<A> => {
  const start = (conflux: boolean) =>
    bench.start(ends.client, ends.exit, { conflux, ...(conflux || without === undefined ? {} : { without }) });
  const [two, one] = [await start(true), await start(false)];
  try {
    return await work([
      { ends, legs: 2, client: two },
      { ends, legs: 1, client: one },
    ]);
  } finally {
    await two.stop();
    await one.stop();
  }
};
