import type { RelayCircuitsConfig } from "@allium/circuit";
import { QUERY_ATTEMPTS, QUERY_TIMEOUT_MILLIS } from "./exit/limits.ts";

/** A parameter's raw value in the consensus, or `undefined`. */
type Param = (name: string) => number | undefined;

const read = (param: Param, name: string, fallback: number, low: number, high: number): number =>
  Math.min(Math.max(param(name) ?? fallback, low), high);

const INT32_MAX = 0x7fff_ffff;

// The consensus parameters that a relay follows beside those of its channels (param-spec).
//
// | parameter | default | range | for |
// | --- | --- | --- | --- |
// | MaxOnionQueueDelay | 1750 ms | 1 to 2^31 - 1 | all CREATEs that wait for their handshakes |
// | onion_queue_wait_cutoff | 5 s | 0 to 2^31 - 1 | a CREATE that waits for its handshake |
// | onion-key-rotation-days | 28 d | 1 to 90 | the onion keys |
// | onion-key-grace-period-days | 7 d | 1 to the one above | the ones before them |
// | exit_dns_timeout | 1000 ms | 1 to 120000 | an attempt at a name server |
// | exit_dns_num_attempts | 2 | 0 to 255, but at least one is made | attempts at each |
// | refuseunknownexits | 1 | 0, 1 | exit streams through relays that are not in the consensus |

/** When CREATEs that wait for their handshakes are dropped. Asked anew each time. */
export const handshakeParams = (param: Param): NonNullable<RelayCircuitsConfig["handshakes"]> => ({
  maxDelayMillis: () => read(param, "MaxOnionQueueDelay", 1_750, 1, INT32_MAX),
  cutoffMillis: () => read(param, "onion_queue_wait_cutoff", 5, 0, INT32_MAX) * 1_000,
});

/** For how long onion keys are used. */
export interface OnionKeyParams {
  /** The age at which a new onion key is made, in milliseconds. */
  readonly rotationMillis: number;
  /** How long the one before it is accepted after that, in milliseconds. */
  readonly graceMillis: number;
}

const millisPerDay = 86_400_000;

/** How onion keys are rotated, as the consensus has it. */
export const onionKeyParams = (param: Param): OnionKeyParams => {
  const rotationDays = read(param, "onion-key-rotation-days", 28, 1, 90);
  const graceDays = read(param, "onion-key-grace-period-days", 7, 1, rotationDays);
  return { rotationMillis: rotationDays * millisPerDay, graceMillis: graceDays * millisPerDay };
};

/** How patiently name servers are asked. */
export const dnsParams = (param: Param): { readonly timeoutMillis: number; readonly attempts: number } => ({
  timeoutMillis: read(param, "exit_dns_timeout", QUERY_TIMEOUT_MILLIS, 1, 120_000),
  // None at all would be no question: the platform does not know that either.
  attempts: Math.max(1, read(param, "exit_dns_num_attempts", QUERY_ATTEMPTS, 0, 255)),
});

/** Whether streams are refused that come through a relay which the consensus does not list. */
export const refusesUnknownExits = (param: Param): boolean => read(param, "refuseunknownexits", 1, 0, 1) === 1;

/** When idle circuits are closed. */
export interface CircuitParams {
  /** A circuit that was never extended and has no streams is closed when it is this old, in milliseconds. */
  readonly idleOneHopMillis: number;
  /** How often they are looked at, in milliseconds. */
  readonly sweepMillis: number;
}

/** As `tor`: IDLE_ONE_HOP_CIRC_TIMEOUT and the period of its housekeeping. */
export const circuitParams: CircuitParams = { idleOneHopMillis: 3_600_000, sweepMillis: 60_000 };
