/** How many letters must be added, removed, exchanged or swapped with their neighbour to make one word of the other. */
const distance = (from: string, to: string): number => {
  let beforeLast: Array<number> = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let best = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped && row > 1 && column > 1) best = Math.min(best, beforeLast[column - 2]! + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
};

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, "");

/** The known word that was probably meant: spelled differently (`ORPort`, `or-port`), or a letter in three away. */
export const suggestion = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const wanted = plain(word);
  let best: string | undefined;
  let bestDistance = Math.floor(Math.max(wanted.length, 3) / 3) + 1;
  for (const candidate of known) {
    const far = distance(wanted, plain(candidate));
    if (far < bestDistance) {
      best = candidate;
      bestDistance = far;
    }
  }
  return best;
};
