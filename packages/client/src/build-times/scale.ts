/** The hops of the circuits whose times are recorded (path-spec 2.4.2). */
export const measuredHops = 3;

/**
 * The messages that it takes to build a circuit of so many hops, there and back counted as one: `Actions(N)` (path-spec 2.4.3).
 */
const actions = (hops: number): number => (hops * (hops + 1)) / 2;

/** What a client waits for. */
export interface CircuitAction {
  /** The hops of the circuit that is being built; zero, if there is one already. */
  readonly hops: number;
  /** For each message to a hop and back, beyond building: which hop, from 1. */
  readonly roundTrips?: ReadonlyArray<number>;
}

/**
 * By what to multiply the timeouts of a three-hop circuit for another length, or for waiting for answers from its hops
 * (path-spec 2.4.3, timeouts of circuits of different lengths).
 */
export const timeoutScale = ({ hops, roundTrips = [] }: CircuitAction): number =>
  roundTrips.reduce((sum, hop) => sum + hop, actions(hops)) / actions(measuredHops);
