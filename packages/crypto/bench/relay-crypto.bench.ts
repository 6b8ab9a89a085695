/**
 * Cost of relay crypto in nanoseconds per cell, for trains of 1, 8 and 32: a middle relay that only decrypts, an exit that
 * takes cells in and one that sends them, and a client with three hops. Run it alone: `node bench/relay-crypto.bench.ts`.
 */
import {
  ClientCrypto,
  keyMaterialLength,
  type RelayKeys,
  relayCrypto,
  relayPayloadLength,
  splitKeyMaterial,
  tor1,
} from "../src/index.ts";

const cellsPerRound = 32 * 64;
const rounds = 40;

const keys = (fill: number): RelayKeys => splitKeyMaterial(Buffer.alloc(keyMaterialLength(tor1), fill));

/** One measured role: given a train length, a function that does the work for one train. */
interface Role {
  readonly name: string;
  readonly prepare: (length: number) => (train: number) => void;
}

/** Trains as the client sealed them; made before the clock runs, since sealing costs more than what is measured. */
const sealedTrains = (length: number, hop: number, hops: number, trains: number): Array<Buffer> => {
  const client = new ClientCrypto();
  for (let index = 0; index < hops; index++) client.addHop(keys(index));
  return Array.from({ length: trains }, () => {
    const slab = Buffer.alloc(length * relayPayloadLength, 7);
    for (let index = 0; index < length; index++) client.outbound.originate(slab, index, hop);
    return client.outbound.encrypt(slab, length, hop);
  });
};

const roles: ReadonlyArray<Role> = [
  {
    name: "middle, away from the client",
    prepare: (length) => {
      const { inbound } = relayCrypto(keys(0));
      const slab = Buffer.alloc(length * relayPayloadLength, 7);
      return () => {
        const plain = inbound.decrypt(slab, length);
        for (let index = 0; index < length; index++) inbound.origin(plain, index);
      };
    },
  },
  {
    name: "middle, towards the client",
    prepare: (length) => {
      const { outbound } = relayCrypto(keys(0));
      const slab = Buffer.alloc(length * relayPayloadLength, 7);
      return () => void outbound.encrypt(slab, length, 0);
    },
  },
  {
    name: "exit in",
    prepare: (length) => {
      const trains = sealedTrains(length, 0, 1, cellsPerRound / length);
      const { inbound } = relayCrypto(keys(0));
      return (train) => {
        const plain = inbound.decrypt(trains[train]!, length);
        for (let index = 0; index < length; index++)
          if (inbound.origin(plain, index) !== 0) throw new Error("a cell of ours was not recognised");
      };
    },
  },
  {
    name: "exit out",
    prepare: (length) => {
      const { outbound } = relayCrypto(keys(0));
      const slab = Buffer.alloc(length * relayPayloadLength, 7);
      return () => {
        for (let index = 0; index < length; index++) outbound.originate(slab, index, 0);
        outbound.encrypt(slab, length, 0);
      };
    },
  },
  {
    name: "client out, three hops",
    prepare: (length) => {
      const client = new ClientCrypto();
      for (let index = 0; index < 3; index++) client.addHop(keys(index));
      const slab = Buffer.alloc(length * relayPayloadLength, 7);
      return () => {
        for (let index = 0; index < length; index++) client.outbound.originate(slab, index, 2);
        client.outbound.encrypt(slab, length, 2);
      };
    },
  },
  {
    name: "client in, three hops",
    prepare: (length) => {
      const relays = [0, 1, 2].map((hop) => relayCrypto(keys(hop)));
      const client = new ClientCrypto();
      for (let index = 0; index < 3; index++) client.addHop(keys(index));
      const trains = Array.from({ length: cellsPerRound / length }, () => {
        let slab: Buffer = Buffer.alloc(length * relayPayloadLength, 7);
        for (let index = 0; index < length; index++) relays[2]!.outbound.originate(slab, index, 0);
        for (let hop = 2; hop >= 0; hop--) slab = relays[hop]!.outbound.encrypt(slab, length, 0);
        return slab;
      });
      return (train) => {
        const plain = client.inbound.decrypt(trains[train]!, length);
        for (let index = 0; index < length; index++)
          if (client.inbound.origin(plain, index) !== 2) throw new Error("a cell of ours was not recognised");
      };
    },
  },
];

/** The best of some rounds, in nanoseconds per cell: what else the machine does only ever adds. */
const measure = (role: Role, length: number): number => {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const work = role.prepare(length);
    const begin = process.hrtime.bigint();
    for (let train = 0; train < cellsPerRound / length; train++) work(train);
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / cellsPerRound);
  }
  return best;
};

console.log("ns per cell".padEnd(40), ...[1, 8, 32].map((length) => `train ${length}`.padStart(9)));
for (const role of roles)
  console.log(
    role.name.padEnd(40),
    ...[1, 8, 32].map((length) => Math.round(measure(role, length)).toString().padStart(9)),
  );
