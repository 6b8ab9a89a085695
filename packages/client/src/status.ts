import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { BootstrapProblem } from "./errors.ts";

/**
 * How far a client has come, in this order. A client that was ready may go back: its consensus may grow old, or its guards go.
 *
 * | phase | waits for |
 * | --- | --- |
 * | `starting` | what is kept on disk to be read |
 * | `connecting` | a directory to connect to |
 * | `consensus` | the consensus |
 * | `certificates` | the authorities' certificates that prove it |
 * | `microdescriptors` | the descriptions of enough relays |
 * | `circuit` | the first circuit that leads out |
 * | `ready` | nothing |
 */
export type BootstrapPhase =
  | "starting"
  | "connecting"
  | "consensus"
  | "certificates"
  | "microdescriptors"
  | "circuit"
  | "ready";

/** What is in the way at present, and is tried again. */
export interface BootstrapTrouble {
  readonly problem: BootstrapProblem;
  /** What was seen, and what can be done about it, in a sentence. */
  readonly detail: string;
  /** Since when. */
  readonly since: UnixMillis;
  /** Whether trying again will not help: the user has to do something. */
  readonly final: boolean;
}

/** How far a client has come. */
export interface BootstrapStatus {
  readonly phase: BootstrapPhase;
  /** For a bar: from 0 to 1, and 1 only when it is ready. */
  readonly progress: number;
  /** What it does or waits for, in words. */
  readonly waitsFor: string;
  readonly trouble: BootstrapTrouble | undefined;
}

/** A relay of a circuit. */
export interface HopInfo {
  readonly fingerprint: Fingerprint;
  /** Empty for a directory of which no more than its address is known. */
  readonly nickname: string;
  /** Where a channel to it would lead: address and port. */
  readonly address: string;
}

/** One circuit of a tunnel. A tunnel has one, or the several that conflux links. */
export interface LegInfo {
  /** The name of the circuit in the log and in the topology. */
  readonly circuit: string;
  /** The guard first; those that are there so far. */
  readonly hops: ReadonlyArray<HopInfo>;
  /** Round trip to the last hop in milliseconds, if it is known by congestion control. */
  readonly rttMillis: number | undefined;
  /** The congestion window to the last hop, in cells. */
  readonly window: number | undefined;
}

/** What a tunnel is for. */
export type TunnelPurpose =
  /** Streams that leave the network. */
  | "exit"
  /** Directory requests. */
  | "directory"
  /** To measure how long building takes, and then for whoever needs it. */
  | "measuring";

/** What a stream is attached to: a circuit, or several that conflux links. */
export interface TunnelInfo {
  readonly id: number;
  readonly purpose: TunnelPurpose;
  /**
   * `building`: has not all its hops; `waiting`: built, and held back while a better guard may answer (guard-spec 4.9); `open`: takes
   * streams; `retired`: keeps the streams that it has, and gets no more.
   */
  readonly state: "building" | "waiting" | "open" | "retired";
  readonly legs: ReadonlyArray<LegInfo>;
  readonly createdAt: UnixMillis;
  /** When it got its first stream; undefined while it is clean. */
  readonly dirtySince: UnixMillis | undefined;
  /** Streams that are open, or being opened. */
  readonly streams: number;
  /** Whether it is kept for streams of one isolation alone. Which, is nobody's business. */
  readonly isolated: boolean;
}

/** What a client tells of itself. */
export type ClientEvent =
  | { readonly _tag: "Bootstrap"; readonly status: BootstrapStatus }
  /** A tunnel is being built, has changed its state, or got or lost a stream. */
  | { readonly _tag: "Tunnel"; readonly tunnel: TunnelInfo }
  /** A tunnel is gone. */
  | { readonly _tag: "TunnelEnded"; readonly tunnel: TunnelInfo; readonly why: string };
