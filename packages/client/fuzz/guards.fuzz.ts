import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  formatGuardState,
  GuardSets,
  GuardStateError,
  type LoadedGuards,
  parseGuardState,
  readGuardState,
  type StoredGuard,
} from "../src/guards/index.ts";
import { History } from "../test/guards/history.ts";

const names = Array.from({ length: 6 }, (_, index) => String(index).repeat(40));

const drawDate = (random: Random): string =>
  new Date(random.below(2_000_000_000) * 1000).toISOString().replace(/\.\d+Z$/, "Z");

const drawGuard = (random: Random): StoredGuard => ({
  fingerprint: random.pick(names),
  nickname: random.pick(["", "a", "relay7"]),
  addedOn: drawDate(random),
  addedBy: "0.1.0",
  ...(random.oneIn(2) ? {} : { unlistedSince: drawDate(random) }),
  ...(random.oneIn(2) ? {} : { confirmedOn: drawDate(random), confirmedPlace: random.below(4) }),
});

const drawState = (random: Random) => ({
  version: 1 as const,
  samples: {
    default: Array.from({ length: random.below(5) }, () => drawGuard(random)),
    restricted: Array.from({ length: random.below(3) }, () => drawGuard(random)),
  },
});

const junk = [undefined, null, 0, -1, 1e300, "", "x", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", [], {}, true];

/** The same with a few values in it replaced by junk, at any depth. */
const damage = (value: unknown, random: Random): unknown => {
  if (random.oneIn(12)) return random.pick(junk);
  if (Array.isArray(value)) return value.map((item) => damage(item, random));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, damage(item, random)]));
};

const tolerate = (read: () => LoadedGuards): LoadedGuards | undefined => {
  try {
    return read();
  } catch (error) {
    if (error instanceof GuardStateError) return undefined;
    throw error;
  }
};

/** What was taken from a state can be written, and is then read as it was. */
const checkLoaded = (loaded: LoadedGuards | undefined): void => {
  if (loaded === undefined) return;
  const text = formatGuardState(new GuardSets({ loaded, version: "1" }).state());
  const again = parseGuardState(text);
  if (again.faults.length > 0) throw new Error("a fault in what was written");
  if (formatGuardState(new GuardSets({ loaded: again, version: "1" }).state()) !== text)
    throw new Error("something was lost");
};

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "client guards, text of a file",
    run: (random) => {
      const text = random.mutate(Buffer.from(formatGuardState(drawState(random)))).toString("latin1");
      checkLoaded(tolerate(() => parseGuardState(text)));
    },
  },
  {
    name: "client guards, damaged values",
    run: (random) => checkLoaded(tolerate(() => readGuardState(damage(drawState(random), random)))),
  },
  {
    name: "client guards, histories",
    run: (random) => new History(random).run(10),
  },
];
