import { setFlagsFromString } from "node:v8";

/**
 * Tells the platform's compiler to optimize a function that has been called some hundred times. By itself it waits for
 * thousands, and functions here are called once for a burst of cells, not for each: a program would run at half speed for its
 * first half gigabyte, which takes a quiet relay days.
 */
export const tuneCompiler = (): void => {
  setFlagsFromString("--invocation-count-for-maglev=50");
  setFlagsFromString("--invocation-count-for-turbofan=300");
  setFlagsFromString("--minimum-invocations-after-ic-update=50");
};
