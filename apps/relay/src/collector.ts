import { setFlagsFromString } from "node:v8";

/**
 * Tells the platform's garbage collector when to mark the whole heap. By itself it begins as soon as the room that is left in
 * the old generation is less than a young generation, which for a relay (a small, steady heap, much short-lived garbage) is
 * three times a second: half of all processor time, spent to find that nothing died. With these triggers it waits until
 * the heap really grows: 85 and 95 percent of the way to its limit.
 */
export const tuneCollector = (): void => {
  setFlagsFromString("--incremental-marking-soft-trigger=85");
  setFlagsFromString("--incremental-marking-hard-trigger=95");
};
