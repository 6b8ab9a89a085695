import { it } from "@effect/vitest";
import { Effect } from "effect";
import { connectionPair } from "../src/index.ts";
import { connectionCompliance } from "./compliance/connection.ts";

connectionCompliance({
  name: "a pair within the process",
  it: it.effect,
  open: (bytes) => Effect.sync(() => connectionPair(bytes)),
  pass: Effect.yieldNow,
  slack: 0,
});
