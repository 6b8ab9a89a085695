import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Effect } from "effect";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes on the heap and beside it, without garbage. */
export const memoryInUse = Effect.promise(async () => {
  for (let time = 0; time < 3; time++) {
    // What is released natively, such as ciphers, is only after the collection that finds it.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
});
