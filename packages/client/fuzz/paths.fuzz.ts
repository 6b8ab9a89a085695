import type { FuzzTarget, Random as Generator } from "../../../test/support/fuzz.ts";
import {
  areFamily,
  BadPathLength,
  chooseExit,
  chooseLeg,
  chooseLegs,
  choosePath,
  type ExitNeed,
  type GuardLimits,
  NoSuitableRelay,
  type Path,
  type PathEnd,
  type Random,
  type Relay,
  RelayTable,
} from "../src/paths/index.ts";
import { permits, permitsSomething } from "../src/paths/ports.ts";
import { Subnets, subnet16, subnet32 } from "../src/paths/subnets.ts";
import { directory, fingerprintOf, type PretendedRelay } from "../test/paths/support.ts";

const policies = ["accept 80,443", "accept 1-65535", "reject 25", "accept 22,6667", "reject 1-65535"];
const ports = [22, 25, 80, 443, 6667];
const flags = ["Guard", "Exit", "BadExit", "MiddleOnly", "V2Dir", "NoEdConsensus", "Stable"];
const maybe = <K extends string, V>(
  random: Generator,
  name: K,
  times: number,
  value: () => V,
): { readonly [key in K]?: V } => (random.oneIn(times) ? ({ [name]: value() } as { readonly [key in K]?: V }) : {});

/** A relay as they are, more or less: few subnets, few families, few ports, and all that can be amiss now and then. */
const pretend = (random: Generator, count: number): PretendedRelay => ({
  flags: [
    ...["Fast", "Running", "Valid"].filter(() => !random.oneIn(20)),
    ...flags.filter((name) => random.oneIn(name === "Guard" || name === "Exit" || name === "Stable" ? 2 : 12)),
  ].join(" "),
  bandwidth: random.pick([0, 1, 1000, 0xffff_ffff]),
  described: !random.oneIn(15),
  ed25519: !random.oneIn(30),
  ...maybe(random, "address", 2, () => `10.${random.below(4)}.0.${random.below(256)}`),
  ...maybe(random, "ipv6", 3, () => random.pick(["2001:db8::1", "2001:db8:1::", "2001::", "::1", "fe80::1"])),
  ...maybe(random, "family", 3, () => Array.from({ length: 4 }, () => `$${fingerprintOf(random.below(count))}`)),
  ...maybe(random, "familyIds", 5, () => [`ed25519:${random.below(3)}`]),
  ...maybe(random, "policy", 2, () => random.pick(policies)),
  ...maybe(random, "ipv6Policy", 4, () => random.pick(policies)),
  ...maybe(random, "protocols", 8, () => random.pick(["Relay=1", "Relay=2", "Relay=2-4 FlowCtrl=2", ""])),
});

/** A guard that keeps within its limits, or one that does not mind them. */
const takeGuard =
  (random: Generator, table: RelayTable) =>
  (limits: GuardLimits): Relay => {
    const relays = table.consensus.routers
      .map(({ fingerprint }) => table.find(fingerprint))
      .filter((relay) => relay !== undefined);
    const fitting = relays.filter((relay) => limits.check(relay) === undefined);
    const from = fitting.length === 0 || random.oneIn(10) ? relays : fitting;
    if (from.length === 0) throw new NoSuitableRelay("guard", 0, {});
    return random.pick(from);
  };

const sameSubnet = (one: Relay, other: Relay): boolean => new Subnets([one.status]).overlap(other.status);

const demand = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(what);
};

/** The rules of path-spec 2.2, all pairs of relays and all relays on their own: by other words than where they are chosen. */
const checkPath = (table: RelayTable, path: Path, apart: boolean): void => {
  for (const [place, relay] of path.entries())
    for (const other of path.slice(place + 1)) {
      demand(relay.status.fingerprint !== other.status.fingerprint, "one relay twice");
      demand(!areFamily(relay, other, table.families), "family in one path");
      demand(!apart || !sameSubnet(relay, other), "neighbours in one path");
    }
  for (const { status, microdescriptor } of path.slice(1)) {
    demand(status.flags.has("Running") && status.flags.has("Valid"), "not Running, or not Valid");
    demand(!(table.options.exclude?.has(status.fingerprint) ?? false), "excluded");
    demand(microdescriptor.ed25519Identity !== undefined && !status.flags.has("NoEdConsensus"), "no Ed25519 identity");
    demand(status.protocols.supports("Relay", 2), "does not speak EXTEND2");
  }
};

const checkExit = (table: RelayTable, exit: Relay, needs: ReadonlyArray<ExitNeed>, all: boolean): void => {
  const { status, microdescriptor } = exit;
  demand(!status.flags.has("BadExit") && !status.flags.has("MiddleOnly"), "no good exit");
  demand(!(table.options.excludeExits?.has(status.fingerprint) ?? false), "excluded as an exit");
  demand(permitsSomething(microdescriptor), "permits nothing");
  const permitted = needs.filter((need) => permits(microdescriptor, need)).length;
  demand(all ? permitted === needs.length : permitted > 0 || needs.length === 0, "the policy does not permit it");
};

const randomEnd = (random: Generator): PathEnd => {
  const needs = Array.from(
    { length: random.below(4) },
    (): ExitNeed => ({ family: random.pick([4, 4, 6, "either"] as const), port: random.pick(ports) }),
  );
  return random.pick<PathEnd>([
    { _tag: "exit", needs, conflux: random.oneIn(3) },
    { _tag: "exitForMost", needs },
    { _tag: "internal" },
  ]);
};

/** A network drawn by chance, and paths in it: all rules hold, or there is a typed error that counts all relays. */
export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "client paths, through random networks",
    run: (generator) => {
      const count = generator.below(30);
      const random: Random = { uniform: () => generator.uint32() / 0x1_0000_0000 };
      const apart = !generator.oneIn(4);
      const names = (times: number) =>
        new Set(
          Array.from({ length: count }, (_, number) => fingerprintOf(number)).filter(() => generator.oneIn(times)),
        );
      const table = RelayTable.of(directory(Array.from({ length: count }, () => pretend(generator, count))), {
        enforceDistinctSubnets: apart,
        exclude: names(15),
        excludeExits: names(15),
      });
      const end = randomEnd(generator);
      const guard = takeGuard(generator, table);
      try {
        const path = choosePath(table, { end, guard, hops: generator.below(6) }, random);
        checkPath(table, path, apart);
        if ("needs" in end) checkExit(table, path.at(-1) as Relay, end.needs, end._tag === "exit");
        const leg = chooseLeg(table, [path], { guard }, random);
        checkPath(table, leg, apart);
        demand(leg.at(-1)?.status === path.at(-1)?.status && leg.length === path.length, "legs that do not meet");
        const shared = leg.slice(0, -1).filter(({ status }) => path.some((relay) => relay.status === status));
        demand(shared.length === 0, "legs that share a relay");
        if (!("needs" in end)) return;
        const legs = chooseLegs(table, { end, legs: 2 + generator.below(3), guard }, random);
        for (const each of legs) checkPath(table, each, apart);
        demand(new Set(legs.map((each) => each.at(-1)?.status)).size === 1, "legs of a set that do not meet");
        const others = legs.flatMap((each) => each.slice(0, -1).map(({ status }) => status));
        demand(new Set(others).size === others.length, "legs of a set that share a relay");
      } catch (error) {
        if (error instanceof BadPathLength) return;
        if (!(error instanceof NoSuitableRelay)) throw error;
        const counted = Object.values(error.ruledOut).reduce((sum, number) => sum + number, 0);
        demand(counted === error.considered, `ruled out ${counted} of ${error.considered}`);
        demand(error.role === "guard" || error.considered === count, "not all relays were considered");
      }
    },
  },
  {
    name: "client paths, exits of a network of one relay",
    run: (generator) => {
      const random: Random = { uniform: () => generator.uint32() / 0x1_0000_0000 };
      const table = RelayTable.of(directory([pretend(generator, 1)]));
      const needs = [{ family: generator.pick([4, 6] as const), port: 1 + generator.below(65_535) }];
      try {
        checkExit(table, chooseExit(table, needs, {}, random), needs, true);
      } catch (error) {
        if (!(error instanceof NoSuitableRelay)) throw error;
      }
    },
  },
  {
    name: "client paths, subnets of addresses",
    run: (generator) => {
      const bytes = generator.bytes(16);
      const groups = Array.from(
        { length: 8 },
        (_, group) => bytes.readUInt16BE(group * 2) & generator.pick([0, 0xffff]),
      );
      const full = groups.map((group) => group.toString(16)).join(":");
      // A URL has the address in its shortest form.
      const short = new URL(`http://[${full}]`).hostname.slice(1, -1);
      const expected = (groups[0] as number) * 0x1_0000 + (groups[1] as number);
      demand(subnet32(full) === expected && subnet32(short) === expected, `${full} is ${short}, in ${subnet32(short)}`);
      demand(subnet16(bytes.subarray(0, 4).join(".")) === bytes.readUInt16BE(0), "another /16");
    },
  },
];
