/**
 * A value that is made of another, and made anew only when that is another object: for what is asked for with each circuit, and
 * changes with the consensus or the keys.
 */
export const derived = <Source extends object, A>(source: () => Source, make: (source: Source) => A): (() => A) => {
  let known: { readonly source: Source; readonly made: A } | undefined;
  return () => {
    const now = source();
    if (known?.source !== now) known = { source: now, made: make(now) };
    return known.made;
  };
};
