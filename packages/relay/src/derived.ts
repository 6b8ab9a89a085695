/**
 * A value that is made of another, and made anew only when that is another object: for what is asked for with each circuit or stream,
 * and changes with the consensus or the keys. The source may be missing, as long as there is no consensus.
 */
export const derived = <Source extends object | undefined, A>(
  source: () => Source,
  make: (source: Source) => A,
): (() => A) => {
  let known: { readonly source: Source; readonly made: A } | undefined;
  return () => {
    const now = source();
    if (known === undefined || known.source !== now) known = { source: now, made: make(now) };
    return known.made;
  };
};
