/** The same list with `item` at `index`. It has no room for more, which growing leaves behind: there are lists for each circuit. */
export const withItem = <A>(list: ReadonlyArray<A | undefined>, index: number, item: A): ReadonlyArray<A | undefined> =>
  Array.from({ length: Math.max(list.length, index + 1) }, (_, at) => (at === index ? item : list[at]));
