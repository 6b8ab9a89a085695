import type { Microdescriptor, Protocols, RelayFlags, RouterStatus } from "@allium/netdoc";

/** What path selection asks of a relay, one bit for each: a row of flags that is compared at once. */
export const Bit = {
  running: 1 << 0,
  valid: 1 << 1,
  fast: 1 << 2,
  stable: 1 << 3,
  guard: 1 << 4,
  exit: 1 << 5,
  badExit: 1 << 6,
  directory: 1 << 7,
  /** Speaks what it takes to be a hop: ntor and EXTEND2 (tor-spec 9.3, `Relay=2`). */
  extend: 1 << 8,
  /** Speaks what it takes to be where conflux legs meet: proposal 329 over congestion control, over ntor-v3. */
  conflux: 1 << 9,
  /** The consensus knows no Ed25519 identity of it (dir-spec 3.4.1, `NoEdConsensus`). */
  noEd25519: 1 << 10,
  /** Its microdescriptor is there, with all that it takes to extend to it. */
  described: 1 << 11,
  /** The operator wants it nowhere. */
  excluded: 1 << 12,
  /** The operator wants it as no exit. */
  excludedExit: 1 << 13,
} as const;

const flagBits = [
  ["Running", Bit.running],
  ["Valid", Bit.valid],
  ["Fast", Bit.fast],
  ["Stable", Bit.stable],
  ["Guard", Bit.guard],
  ["Exit", Bit.exit],
  ["BadExit", Bit.badExit],
  ["V2Dir", Bit.directory],
  ["NoEdConsensus", Bit.noEd25519],
] as const;

const readFlags = (flags: RelayFlags): number => {
  let bits = 0;
  for (const [name, bit] of flagBits) if (flags.has(name)) bits |= bit;
  // Authorities see to this themselves, if they all know the flag (proposal 335, section 2).
  if (flags.has("MiddleOnly")) bits = (bits & ~(Bit.guard | Bit.exit | Bit.directory)) | Bit.badExit;
  // An exit that is bad counts as none, for the weights too (path-spec 2.2.1).
  return (bits & Bit.badExit) !== 0 ? bits & ~Bit.exit : bits;
};

const readProtocols = (protocols: Protocols): number => {
  const extend = protocols.supports("Relay", 2);
  const conflux =
    protocols.supports("Conflux", 1) && protocols.supports("FlowCtrl", 2) && protocols.supports("Relay", 4);
  return (extend ? Bit.extend : 0) | (conflux ? Bit.conflux : 0);
};

/**
 * Reads what a consensus says of its relays as bits. Relays share their flags and protocols, so each kind of them is read once.
 */
export const statusBits = (routers: ReadonlyArray<RouterStatus>): Uint32Array => {
  const flags = new Map<RelayFlags, number>();
  const protocols = new Map<Protocols, number>();
  const bits = new Uint32Array(routers.length);
  for (let index = 0; index < routers.length; index++) {
    const router = routers[index] as RouterStatus;
    bits[index] = once(flags, router.flags, readFlags) | once(protocols, router.protocols, readProtocols);
  }
  return bits;
};

/**
 * Whether a relay can be extended to with this microdescriptor: with both of its identities, and a key for ntor (tor-spec
 * 5.1.4).
 */
export const isDescribed = (bits: number, microdescriptor: Microdescriptor | undefined): boolean =>
  microdescriptor?.ed25519Identity !== undefined && (bits & Bit.noEd25519) === 0;

const once = <K, V>(known: Map<K, V>, key: K, read: (key: K) => V): V => {
  const before = known.get(key);
  if (before !== undefined) return before;
  const value = read(key);
  known.set(key, value);
  return value;
};
