import type { MemoryAccount, MemoryKind, MemoryQuota } from "@allium/kernel";
import { TokenBucket } from "../token-bucket.ts";
import type { DosParams } from "./dos-params.ts";
import { CLIENT_SWEEP_SECONDS, CLIENT_UNSEEN_SECONDS, MAX_CLIENTS } from "./limits.ts";

/** Until when an address is marked that is not. */
export const NEVER = Number.NEGATIVE_INFINITY;

/** What is known of an address that clients connect from. Times are whole seconds, as `tor` counts them. */
export class Client {
  /** Connections that are open now. */
  connections = 0;
  /** Connections that it may still open, and circuits. */
  readonly connects: TokenBucket;
  readonly circuits: TokenBucket;
  /** Until when it is refused connections; `NEVER` if its time was over when it was last looked at. */
  connectMarked = NEVER;
  /** Until when it is refused circuits. */
  circuitMarked = NEVER;
  /** How often the inbox of one of its circuits has overrun, since it was last marked for it. */
  overruns = 0;
  lastSeen: number;

  constructor(params: DosParams, now: number) {
    this.connects = new TokenBucket(params.connections, now);
    this.circuits = new TokenBucket(params.circuits, now);
    this.lastSeen = now;
  }

  /** Whether it makes no difference if it is forgotten, since a new entry would be the same. */
  isForgettable({ connections, circuits }: DosParams, now: number): boolean {
    if (this.connections > 0 || this.connectMarked >= now || this.circuitMarked >= now) return false;
    if (this.overruns > 0) return now - this.lastSeen >= CLIENT_UNSEEN_SECONDS;
    this.connects.refill(connections, now);
    this.circuits.refill(circuits, now);
    return this.connects.tokens >= connections.burst && this.circuits.tokens >= circuits.burst;
  }
}

/**
 * Addresses that clients connect from. Those of which nothing is to be remembered are forgotten, now and then; when it is full, the
 * one makes room that has been there longest without a connection, and rather one that is not marked.
 */
export class ClientTable {
  private readonly clients = new Map<string, Client>();
  private readonly params: () => DosParams;
  private readonly now: () => number;
  private readonly capacity: number;
  private readonly memory: MemoryAccount;
  private nextSweep = 0;

  /**
   * @param options.now whole seconds of a clock that does not go back
   * @param options.quota where entries are charged
   */
  constructor(options: {
    readonly params: () => DosParams;
    readonly now: () => number;
    readonly quota: MemoryQuota;
    readonly capacity?: number;
  }) {
    this.params = options.params;
    this.now = options.now;
    this.capacity = options.capacity ?? MAX_CLIENTS;
    this.memory = options.quota.open(CLIENTS, { oldest: () => 0, reclaim: (bytes) => this.shrink(bytes) });
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.clients.size;
  }

  /** What is known of an address; `undefined` if nothing is. */
  get(address: string): Client | undefined {
    return this.clients.get(address);
  }

  /** The entry of an address, a new one if need be; `undefined` if there is no room for it. */
  enter(address: string): Client | undefined {
    const now = this.now();
    if (now >= this.nextSweep) this.sweep(now);
    let client = this.clients.get(address);
    if (client === undefined) {
      if (this.clients.size >= this.capacity && !this.evict(now)) return undefined;
      client = new Client(this.params(), now);
      this.memory.adjust(CLIENT_BYTES);
    }
    client.lastSeen = now;
    // To the end: the order is that in which they were seen.
    this.clients.delete(address);
    this.clients.set(address, client);
    return client;
  }

  /** Forgets everybody, for good. */
  close(): void {
    this.clients.clear();
    this.memory.close();
  }

  private forget(address: string): void {
    if (this.clients.delete(address)) this.memory.adjust(-CLIENT_BYTES);
  }

  private sweep(now: number): void {
    this.nextSweep = now + CLIENT_SWEEP_SECONDS;
    const params = this.params();
    for (const [address, client] of this.clients) if (client.isForgettable(params, now)) this.forget(address);
  }

  /** Makes room for one. False if all have connections. */
  private evict(now: number): boolean {
    let second: string | undefined;
    for (const [address, client] of this.clients) {
      if (client.connections > 0) continue;
      second ??= address;
      if (client.connectMarked >= now || client.circuitMarked >= now) continue;
      this.forget(address);
      return true;
    }
    if (second !== undefined) this.forget(second);
    return second !== undefined;
  }

  private shrink(bytes: number): void {
    const target = this.memory.bytes - bytes;
    const now = this.now();
    while (this.memory.bytes > target && this.evict(now));
  }
}

/** Addresses of clients and what is known of them. */
const CLIENTS: MemoryKind = { name: "clients", policy: "share" };

/** What an entry takes, about, with the objects around it. */
const CLIENT_BYTES = 400;
