import type { StreamAdmission } from "@allium/circuit";
import { TokenBucket } from "../token-bucket.ts";
import { type Client, type ClientTable, NEVER } from "./client-table.ts";
import type { DosParams } from "./dos-params.ts";

/** What the defences have done so far, as `tor`'s `tor_relay_dos_total` counts it. */
export interface DosCounters {
  /** CREATEs of addresses that are marked. */
  circuitsRejected: number;
  /** Addresses that were marked for too many circuits. */
  markedAddresses: number;
  /** Addresses that were marked since circuits of theirs overran. */
  markedAddressesMaxQueue: number;
  /** Connections of addresses that are marked for too many of them. */
  connectionsRejected: number;
  /** Connections of addresses that have too many open. */
  concurrentConnectionsRejected: number;
  /** BEGINs and RESOLVEs of circuits that asked for too many. */
  streamsRejected: number;
}

/** What the defences go by. */
export interface DosDefenceOptions {
  /** Asked each time: the consensus may change them. */
  readonly params: () => DosParams;
  /** Whole seconds of a clock that does not go back: `tor` counts no others. */
  readonly now: () => number;
  /** Draws an integer in [0, limit). */
  readonly below: (limit: number) => number;
  readonly clients: ClientTable;
  /**
   * Whether the network knows a relay at this address: what comes from there and has not authenticated may be traffic of clients
   * that has left the network and enters it again. None of it is counted.
   */
  readonly isRelay: (address: string) => boolean;
}

/**
 * The defences of `tor` against clients that open too many connections, circuits or streams (its `dos.c`, as of 0.4.9). Clients are
 * told apart by address. A connection counts from its first packet until it has authenticated as a relay: `tor` counts it until
 * its end. Pure: told of what happens, it says what is to be done.
 */
export class DosDefence {
  readonly counters: DosCounters = {
    circuitsRejected: 0,
    markedAddresses: 0,
    markedAddressesMaxQueue: 0,
    connectionsRejected: 0,
    concurrentConnectionsRejected: 0,
    streamsRejected: 0,
  };
  private readonly options: DosDefenceOptions;

  constructor(options: DosDefenceOptions) {
    this.options = options;
  }

  /**
   * Somebody connects. `undefined` if the connection is to be closed at once; else what is to be called, once, when it has
   * authenticated as a relay or has ended.
   */
  enter(address: string): (() => void) | undefined {
    const { params, now, clients, isRelay } = this.options;
    if (isRelay(address)) return NOTHING;
    if (!this.admits(address)) return undefined;
    const { circuits, connections } = params();
    const client = circuits.enabled || connections.enabled ? clients.enter(address) : undefined;
    if (client === undefined) return NOTHING;
    client.connections++;
    client.connects.refill(connections, now());
    client.connects.take();
    if (client.connects.tokens === 0 && client.connectMarked === NEVER) {
      client.connectMarked = this.markFor(connections.period);
    }
    return () => {
      client.connections--;
    };
  }

  private admits(address: string): boolean {
    const { params, now, clients } = this.options;
    const { connections } = params();
    const client = connections.enabled ? clients.get(address) : undefined;
    if (client === undefined) return true;
    if (client.connectMarked >= now()) {
      this.counters.connectionsRejected++;
      return connections.defense === "none";
    }
    // So that it can be marked again.
    client.connectMarked = NEVER;
    if (client.connections <= connections.maxConcurrent) return true;
    this.counters.concurrentConnectionsRejected++;
    return connections.defense === "none";
  }

  /** A client asks for a circuit. False if it is to be refused. */
  admitsCircuit(address: string): boolean {
    const { params, now } = this.options;
    const { circuits } = params();
    const client = circuits.enabled ? this.clientAt(address) : undefined;
    if (client === undefined) return true;
    client.circuits.refill(circuits, now());
    client.circuits.take();
    // Also one that is marked already: who goes on is kept out for longer.
    if (client.circuits.tokens === 0 && client.connections >= circuits.minConnections) {
      if (client.circuitMarked === NEVER) this.counters.markedAddresses++;
      client.circuitMarked = this.markFor(circuits.period);
    }
    if (!this.isCircuitMarked(client)) return true;
    this.counters.circuitsRejected++;
    return circuits.defense === "none";
  }

  /** A circuit of a client has sent more than may wait for its next hop, or for its streams. */
  circuitOverran(address: string): void {
    const { circuits } = this.options.params();
    const client = circuits.enabled ? this.clientAt(address) : undefined;
    if (client === undefined || circuits.maxOverruns === 0 || this.isCircuitMarked(client)) return;
    client.overruns++;
    if (client.overruns < circuits.maxOverruns) return;
    if (client.circuitMarked === NEVER) this.counters.markedAddressesMaxQueue++;
    client.circuitMarked = this.markFor(circuits.period);
    client.overruns = 0;
  }

  /** Counts the streams of one circuit; made for each circuit. Says for each what is to be done about it. */
  streamsOfCircuit(): () => StreamAdmission {
    const { params, now } = this.options;
    let bucket: TokenBucket | undefined;
    return () => {
      const { streams } = params();
      if (!streams.enabled) return "open";
      bucket ??= new TokenBucket(streams, now());
      bucket.refill(streams, now());
      if (bucket.take()) return "open";
      this.counters.streamsRejected++;
      return streams.defense === "none" ? "open" : streams.defense;
    };
  }

  /** What is known of an address, unless it is a relay's by now. */
  private clientAt(address: string): Client | undefined {
    const { clients, isRelay } = this.options;
    const client = clients.get(address);
    return client === undefined || isRelay(address) ? undefined : client;
  }

  private isCircuitMarked(client: Client): boolean {
    return client.circuitMarked >= this.options.now();
  }

  /** The end of a time that is up to half as long again, so that it cannot be known. */
  private markFor(period: number): number {
    const { now, below } = this.options;
    return now() + period + 1 + below(Math.max(1, Math.floor(period / 2) - 1));
  }
}

const NOTHING = () => {};
