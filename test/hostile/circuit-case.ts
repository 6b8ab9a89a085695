import type { HostileCase } from "./case.ts";
import { type CircuitOptions, type CircuitStage, onCircuit } from "./stage.ts";

/** Something done on a circuit that ends at the target, of which nothing else is told than what comes back. */
export const circuitCase = (
  what: string,
  rule: string,
  answer: string,
  act: (stage: CircuitStage) => void | Promise<void>,
  options?: CircuitOptions,
): HostileCase => ({
  what,
  rule,
  answer,
  play: onCircuit(async (stage) => {
    await act(stage);
    return undefined;
  }, options),
});
