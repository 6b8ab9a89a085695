import { type NetParams, NetParams as Params } from "@allium/netdoc";

/** How a client deals with its tunnels, all in milliseconds. */
export interface TunnelTimes {
  /** For how long after its first stream a tunnel gets new ones (MaxCircuitDirtiness). */
  readonly maxDirtiness: number;
  /** How long whoever wants a stream waits for it (SocksTimeout). */
  readonly request: number;
}

const second = 1000;
const minute = 60 * second;

/** As `tor`. */
export const defaultTunnelTimes: TunnelTimes = { maxDirtiness: 10 * minute, request: 2 * minute };

/** How long a stream waits for the exit's answer before it is tried elsewhere: the first time, the second, and from then on. */
export const STREAM_TIMEOUTS_MILLIS: readonly [number, number, number] = [10 * second, 10 * second, 15 * second];

/**
 * The least time for a guard to answer before it is taken for dead. Where the network is fast, the learned timeout is a few milliseconds,
 * and a segment that is acknowledged late takes forty. (`tor` looks once a second.)
 */
export const LEAST_GUARD_PATIENCE_MILLIS = second;

/**
 * The least time for an exit to answer a LINK: the learned timeout may be a few milliseconds here too. (Proposal 329, 2.2: the build
 * timeout.)
 */
export const LEAST_LINK_PATIENCE_MILLIS = second;

/** How often tunnels that get no more streams are looked at, to see whether their last one has ended. */
export const RETIRED_SWEEP_MILLIS = 5 * second;

/** The least time between two tunnels that are built though nobody waits for them. */
export const LEAST_BETWEEN_SPARE_MILLIS = second;

/** The most time until another attempt, after tunnels that nobody waits for came to nothing. */
export const SPARE_RETRY_CAP_MILLIS = minute;

const idleTimeout = { default: 1800, min: 60, max: 86_400 };

/**
 * For how long unused tunnels are kept, and ports are expected again after they were asked for: the consensus's
 * `nf_conntimeout_clients`, and up to as much again (padding-spec, as `tor`'s `CircuitsAvailableTimeout`).
 *
 * @param share from 0 to 1, drawn once
 */
export const availableTimeout = (params: NetParams = Params.none, share: number): number =>
  params.get("nf_conntimeout_clients", idleTimeout) * second * (1 + share);
