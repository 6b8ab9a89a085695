// What comes of a case:
//
// | outcome | means |
// | --- | --- |
// | ignored | nothing: the leg and its set go on |
// | the leg ends: … | and no other; if it was one of a set, that goes on |
// | the set ends: … | with all of its legs |
//
// At an exit the reason is the one in the DESTROY that the client gets.

/** Nothing came of it. */
export const IGNORED = "ignored";

/** What became of legs, of which the first is the one on which something was done: `open`, `left`, or the reason why it ended. */
export const outcomeOf = ([state = "open", ...others]: ReadonlyArray<string>): string => {
  const kinds = [...new Set(others)];
  const [other] = kinds;
  if (kinds.length > 1) return `${state}, its other legs: ${others.join(", ")}`;
  if (state === "open") return other === undefined || other === "open" ? IGNORED : `its other legs end: ${other}`;
  const by = state === "left" ? "" : `: ${state}`;
  if (other === undefined) return state === "left" ? IGNORED : `the leg ends${by}`;
  if (other === "open") return state === "left" ? "its set goes on" : `the leg ends${by}; its set goes on`;
  if (other === "left") return `the leg ends${by}`;
  return other === state
    ? `the set ends${by}`
    : `the set ends${by === "" ? `: ${other}` : `${by}, its other legs: ${other}`}`;
};
