import { assert } from "@effect/vitest";

/** What a function throws, which must be of the class; anything else fails the test. */
export const caught = <E extends Error>(kind: new (...args: ReadonlyArray<never>) => E, run: () => unknown): E => {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  if (thrown instanceof kind) return thrown;
  if (thrown !== undefined) throw thrown;
  return assert.fail(`expected a ${kind.name}, and nothing was thrown`);
};
