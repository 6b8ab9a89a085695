import { chooseMiddle } from "./choose.ts";
import { chooseEnd, choosePath, defaultHops, type Path, type PathEnd, type PathRequest, takeGuard } from "./path.ts";
import { needStable } from "./ports.ts";
import type { Random } from "./random.ts";
import type { Relay, RelayTable } from "./relay-table.ts";

/** What the legs of a conflux set shall be. */
export interface LegsRequest extends Pick<PathRequest, "guard" | "fast"> {
  readonly end: Extract<PathEnd, { readonly _tag: "exit" | "exitForMost" }>;
  /** How many, two or more. */
  readonly legs: number;
}

/**
 * Chooses the paths of a conflux set (proposal 329): they meet at an exit that offers it, and share nothing else. All guards are taken
 * before the first middle relay, so that no guard is passed over because another leg leads through it. A guard is neither family of
 * another leg's nor in its subnet; middle relays may be, as in `tor` (conflux_add_middles_to_exclude_list).
 *
 * @throws NoSuitableRelay if there is none for a place
 */
export const chooseLegs = (table: RelayTable, request: LegsRequest, random: Random): ReadonlyArray<Path> => {
  const { end, fast = true } = request;
  const options = { fast, stable: needStable(end.needs) };
  const last = chooseEnd(table, { ...end, conflux: true }, options, random);
  const guards: Array<Relay> = [];
  while (guards.length < request.legs) guards.push(takeGuard(table, request, last, guards, guards));
  const used = [...guards];
  return guards.map((guard) => {
    const path = [guard];
    while (path.length < defaultHops - 1) {
      const middle = chooseMiddle(table, { ...options, path: [...path, last], used }, random);
      path.push(middle);
      used.push(middle);
    }
    return [...path, last];
  });
};

/** Chooses a path that shares with others nothing but its end: one more leg of a conflux set. */
export const chooseLeg = (
  table: RelayTable,
  legs: readonly [Path, ...ReadonlyArray<Path>],
  request: Omit<PathRequest, "end" | "legs" | "hops">,
  random: Random,
): Path => {
  const [first] = legs;
  const end = { _tag: "relay", relay: first.at(-1) as Relay } as const;
  return choosePath(table, { ...request, end, legs, hops: first.length }, random);
};
