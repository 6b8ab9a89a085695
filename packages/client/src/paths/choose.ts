/**
 * The choice of one relay for one place in a path (path-spec 2.2): by its weight there (dir-spec 3.8.3), among those that may
 * be there.
 *
 * Choices come in three steps, as `tor` does it: Fast and Stable are given up, Stable first, if nobody has them; then the
 * choice fails, and says what ruled out how many.
 */
import type { Candidates, ChosenRole, Requirement } from "./candidates.ts";
import { WeightedDraw } from "./draw.ts";
import { NoSuitableRelay, type Rule, type RuledOut } from "./errors.ts";
import { type ExitNeed, needStable, permits } from "./ports.ts";
import type { Random } from "./random.ts";
import type { Relay, RelayTable } from "./relay-table.ts";
import { Restriction, restrictionRules, type Surroundings } from "./restriction.ts";

/** What any choice may ask for. */
export interface ChoiceOptions extends Surroundings {
  /** Whether it should be Fast; true. */
  readonly fast?: boolean;
  /** Whether it should be Stable; false, but for exits for long-lived ports. */
  readonly stable?: boolean;
}

/** What the choice of an exit may ask for. */
export interface ExitChoiceOptions extends ChoiceOptions {
  /** Whether legs of a conflux set shall meet there (proposal 329); false. */
  readonly conflux?: boolean;
}

/** How often a relay is drawn, and thrown away for what else is in the path, before the candidates are looked through. */
const maxDraws = 12;

/**
 * Chooses an exit that permits all that is needed; or, if nothing is, one that permits anything (path-spec 2.2.1).
 *
 * @throws NoSuitableRelay if there is none
 */
export const chooseExit = (
  table: RelayTable,
  needs: ReadonlyArray<ExitNeed>,
  options: ExitChoiceOptions,
  random: Random,
): Relay =>
  choose(
    table,
    requirement("exit", { ...options, stable: options.stable ?? needStable(needs) }, needs),
    options,
    random,
  );

/**
 * Chooses one of the exits that permit most of what is wanted: for the streams that wait, or the ports that are expected
 * (path-spec 2.1.1, 2.1.2).
 *
 * @throws NoSuitableRelay if none permits any of it
 */
export const chooseExitForMost = (
  table: RelayTable,
  wanted: ReadonlyArray<ExitNeed>,
  options: ExitChoiceOptions,
  random: Random,
): Relay => {
  if (wanted.length === 0) return chooseExit(table, wanted, options, random);
  const support = (index: number): number => {
    const microdescriptor = table.microdescriptorAt(index);
    return microdescriptor === undefined ? 0 : wanted.filter((need) => permits(microdescriptor, need)).length;
  };
  const narrow = ({ draw, ruledOut }: Candidates, restriction: Restriction): Candidates => {
    // The relays that the path rules out must not set the mark for the others.
    const counts = new Map<number, number>();
    let most = 1;
    for (const index of draw.items) {
      if (restriction.check(table.relayAt(index)) !== undefined) continue;
      const count = support(index);
      counts.set(index, count);
      most = Math.max(most, count);
    }
    const best = draw.items.filter((index) => (counts.get(index) ?? most) >= most);
    const forbidden = (ruledOut.exitPolicy ?? 0) + draw.items.length - best.length;
    return { draw: new WeightedDraw(best, table.weights("exit")), ruledOut: { ...ruledOut, exitPolicy: forbidden } };
  };
  const stable = options.stable ?? needStable(wanted);
  return choose(table, requirement("exit", { ...options, stable }, []), options, random, narrow);
};

/**
 * Chooses a middle relay, or the last of a path that leaves the network nowhere (path-spec 2.2).
 *
 * @throws NoSuitableRelay if there is none
 */
export const chooseMiddle = (table: RelayTable, options: ChoiceOptions, random: Random): Relay =>
  choose(table, requirement("middle", options, []), options, random);

/**
 * Chooses a directory cache for paths of one hop, for those who have no guards (dir-spec 5, path-spec 2.2).
 *
 * @throws NoSuitableRelay if there is none
 */
export const chooseDirectoryCache = (table: RelayTable, options: ChoiceOptions, random: Random): Relay =>
  choose(table, requirement("directory", options, []), options, random);

const requirement = (
  role: ChosenRole,
  { fast = true, stable = false, conflux = false }: ExitChoiceOptions,
  needs: ReadonlyArray<ExitNeed>,
): Requirement => ({ role, fast, stable, conflux, needs });

/** What to ask for in turn, until somebody has it. */
const relaxed = (full: Requirement): ReadonlyArray<Requirement> => {
  const steps = [full];
  if (full.stable) steps.push({ ...full, stable: false });
  if (full.fast) steps.push({ ...full, stable: false, fast: false });
  return steps;
};

const choose = (
  table: RelayTable,
  full: Requirement,
  surroundings: Surroundings,
  random: Random,
  narrow?: (candidates: Candidates, restriction: Restriction) => Candidates,
): Relay => {
  const restriction = new Restriction(table, surroundings);
  let ruledOut: RuledOut = {};
  for (const step of relaxed(full)) {
    const found = table.candidates.get(table, step);
    const candidates = narrow === undefined ? found : narrow(found, restriction);
    const drawn = drawPermitted(table, candidates, restriction, random, step.role);
    if ("relay" in drawn) return drawn.relay;
    ruledOut = drawn.ruledOut;
  }
  throw new NoSuitableRelay(full.role, table.size, ruledOut);
};

type Drawn = { readonly relay: Relay } | { readonly ruledOut: RuledOut };

/**
 * Draws until there is a relay that may be beside the others; nearly always that is the first. What is drawn so is distributed
 * as if only those that may had been drawn from. If there are few of them, they are looked for.
 */
const drawPermitted = (
  table: RelayTable,
  { draw, ruledOut }: Candidates,
  restriction: Restriction,
  random: Random,
  role: ChosenRole,
): Drawn => {
  for (let round = 0; round < maxDraws; round++) {
    const index = draw.draw(random);
    if (index === undefined) return { ruledOut: { ...ruledOut, ...noneYet } };
    const relay = table.relayAt(index);
    if (restriction.check(relay) === undefined) return { relay };
  }
  const counts: Partial<Record<Rule, number>> = { ...ruledOut, ...noneYet };
  const permitted = draw.items.filter((index) => {
    const rule = restriction.check(table.relayAt(index));
    if (rule !== undefined) counts[rule] = (counts[rule] ?? 0) + 1;
    return rule === undefined;
  });
  const index = new WeightedDraw(permitted, table.weights(role)).draw(random);
  return index === undefined ? { ruledOut: counts } : { relay: table.relayAt(index) };
};

const noneYet: RuledOut = Object.fromEntries(restrictionRules.map((rule) => [rule, 0]));
