import { setFlagsFromString } from "node:v8";

/**
 * Tells the platform's garbage collector when to mark the whole heap. By itself it begins as soon as the room that is left in
 * the old generation is less than a young generation, which here (a small, steady heap, much short-lived garbage) is
 * three times a second: half of all processor time, spent to find that nothing died. With these triggers it waits until
 * the heap really grows: 85 and 95 percent of the way to its limit.
 *
 * The other half of it is in the first line of a program's `main.ts`, since it must be known when the platform starts: a young generation of
 * 2 MiB. One of 16 MiB, the default, falls out of the processor's cache each time it is filled.
 */
export const tuneCollector = (): void => {
  setFlagsFromString("--incremental-marking-soft-trigger=85");
  setFlagsFromString("--incremental-marking-hard-trigger=95");
};
