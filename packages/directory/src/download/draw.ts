import type { Authority } from "../authorities.ts";

/** A random authority, other than one that has just failed if there is another. */
export const drawAuthority = (
  authorities: ReadonlyArray<Authority>,
  draw: (limit: number) => number,
  except?: Authority,
): Authority => {
  const others = authorities.filter((authority) => authority !== except);
  const candidates = others.length === 0 ? authorities : others;
  return candidates[draw(candidates.length)] as Authority;
};
