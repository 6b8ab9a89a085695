import { derived } from "../derived.ts";
import type { TokenRate } from "../token-bucket.ts";

// The consensus parameters of `tor`'s defences against floods, each of which the configuration may override
// (param-spec, "Denial-of-service parameters"; `tor` 0.4.9: DENIAL OF SERVICE MITIGATION OPTIONS of its manual).
//
// | parameter | key in `[dos]` | default | range |
// | --- | --- | --- | --- |
// | DoSCircuitCreationEnabled | circuit_creation_enabled | 0 | 0, 1 |
// | DoSCircuitCreationMinConnections | circuit_creation_min_connections | 3 | from 1 |
// | DoSCircuitCreationRate | circuit_creation_rate | 3 a second | from 1 |
// | DoSCircuitCreationBurst | circuit_creation_burst | 90 | from 1 |
// | DoSCircuitCreationDefenseType | circuit_creation_defense_type | 2 | 1: none, 2: CREATEs are refused |
// | DoSCircuitCreationDefenseTimePeriod | circuit_creation_defense_time_period | 3600 s | from 0 |
// | DoSConnectionEnabled | connection_enabled | 0 | 0, 1 |
// | DoSConnectionMaxConcurrentCount | connection_max_concurrent_count | 100 | from 1 |
// | DoSConnectionDefenseType | connection_defense_type | 2 | 1: none, 2: connections are closed |
// | DoSConnectionConnectRate | connection_connect_rate | 20 a second | from 1 |
// | DoSConnectionConnectBurst | connection_connect_burst | 40 | from 1 |
// | DoSConnectionConnectDefenseTimePeriod | connection_connect_defense_time_period | 86400 s | from 10 |
// | DoSStreamCreationEnabled | stream_creation_enabled | 0 | 0, 1 |
// | DoSStreamCreationRate | stream_creation_rate | 100 a second | from 1 |
// | DoSStreamCreationBurst | stream_creation_burst | 300 | from 1 |
// | DoSStreamCreationDefenseType | stream_creation_defense_type | 2 | 1: none, 2: streams are refused, 3: their circuit is closed |
// | dos_num_circ_max_outq | | 3 | from 0, which is never |
//
// DoSRefuseSingleHopClientRendezvous has nothing to refuse: this relay is no rendezvous point.

/** What an operator decides in place of the consensus. */
export interface DosConfig {
  readonly circuitCreationEnabled?: boolean;
  readonly circuitCreationMinConnections?: number;
  readonly circuitCreationRate?: number;
  readonly circuitCreationBurst?: number;
  readonly circuitCreationDefenseType?: number;
  /** Seconds. */
  readonly circuitCreationDefenseTimePeriod?: number;
  readonly connectionEnabled?: boolean;
  readonly connectionMaxConcurrentCount?: number;
  readonly connectionDefenseType?: number;
  readonly connectionConnectRate?: number;
  readonly connectionConnectBurst?: number;
  /** Seconds. */
  readonly connectionConnectDefenseTimePeriod?: number;
  readonly streamCreationEnabled?: boolean;
  readonly streamCreationRate?: number;
  readonly streamCreationBurst?: number;
  readonly streamCreationDefenseType?: number;
}

/** What the defences go by. Times are seconds, and rates so many a second. */
export interface DosParams {
  readonly circuits: TokenRate & {
    readonly enabled: boolean;
    /** An address with fewer connections is left alone. */
    readonly minConnections: number;
    readonly defense: CircuitDefense;
    readonly period: number;
    /** How often the inbox of a circuit from an address may overrun, until the address counts as one that floods; 0: for ever. */
    readonly maxOverruns: number;
  };
  readonly connections: TokenRate & {
    readonly enabled: boolean;
    readonly maxConcurrent: number;
    readonly defense: ConnectionDefense;
    readonly period: number;
  };
  readonly streams: TokenRate & { readonly enabled: boolean; readonly defense: StreamDefense };
}

/** What becomes of the circuits of an address that floods. */
export type CircuitDefense = "none" | "refuse";
/** What becomes of its connections. */
export type ConnectionDefense = "none" | "close";
/** What becomes of the streams of a circuit that asks for too many. */
export type StreamDefense = "none" | "refuse" | "closeCircuit";

const circuitDefenses: ReadonlyArray<CircuitDefense> = ["none", "refuse"];
const connectionDefenses: ReadonlyArray<ConnectionDefense> = ["none", "close"];
const streamDefenses: ReadonlyArray<StreamDefense> = ["none", "refuse", "closeCircuit"];

/** What {@link dosParams} answers, worked out again only when the consensus or the configuration is another one. */
export const currentDosParams = (
  consensus: () => object | undefined,
  config: () => DosConfig,
  param: (name: string) => number | undefined,
): (() => DosParams) => {
  const ofConfig = derived(config, (own) => derived(consensus, () => dosParams(param, own)));
  return () => ofConfig()();
};

/** What holds now. `param` gives the raw value of a consensus parameter, or `undefined`. */
export const dosParams = (param: (name: string) => number | undefined, config: DosConfig = {}): DosParams => {
  const number = (own: number | undefined, name: string, fallback: number, low = 1, high = INT32_MAX): number =>
    own ?? Math.min(Math.max(param(name) ?? fallback, low), high);
  const enabled = (own: boolean | undefined, name: string): boolean => own ?? number(undefined, name, 0, 0, 1) === 1;
  const choose = <A>(own: number | undefined, name: string, types: ReadonlyArray<A>): A =>
    types[number(own, name, 2, 1, types.length) - 1] as A;
  return {
    circuits: {
      enabled: enabled(config.circuitCreationEnabled, "DoSCircuitCreationEnabled"),
      minConnections: number(config.circuitCreationMinConnections, "DoSCircuitCreationMinConnections", 3),
      rate: number(config.circuitCreationRate, "DoSCircuitCreationRate", 3),
      burst: number(config.circuitCreationBurst, "DoSCircuitCreationBurst", 90),
      defense: choose(config.circuitCreationDefenseType, "DoSCircuitCreationDefenseType", circuitDefenses),
      period: number(config.circuitCreationDefenseTimePeriod, "DoSCircuitCreationDefenseTimePeriod", 3_600, 0),
      maxOverruns: number(undefined, "dos_num_circ_max_outq", 3, 0),
    },
    connections: {
      enabled: enabled(config.connectionEnabled, "DoSConnectionEnabled"),
      maxConcurrent: number(config.connectionMaxConcurrentCount, "DoSConnectionMaxConcurrentCount", 100),
      rate: number(config.connectionConnectRate, "DoSConnectionConnectRate", 20),
      burst: number(config.connectionConnectBurst, "DoSConnectionConnectBurst", 40),
      defense: choose(config.connectionDefenseType, "DoSConnectionDefenseType", connectionDefenses),
      period: number(config.connectionConnectDefenseTimePeriod, "DoSConnectionConnectDefenseTimePeriod", 86_400, 10),
    },
    streams: {
      enabled: enabled(config.streamCreationEnabled, "DoSStreamCreationEnabled"),
      rate: number(config.streamCreationRate, "DoSStreamCreationRate", 100),
      burst: number(config.streamCreationBurst, "DoSStreamCreationBurst", 300),
      defense: choose(config.streamCreationDefenseType, "DoSStreamCreationDefenseType", streamDefenses),
    },
  };
};

const INT32_MAX = 0x7fff_ffff;
