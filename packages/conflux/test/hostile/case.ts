import { type ConfluxConfig, type ConfluxViolationName, violationTable } from "@allium/conflux";
import type { Effect, Scope } from "effect";
import type { LabOptions } from "../../../circuit/test/support/lab.ts";
import type { ExitStage } from "./exit-stage.ts";
import type { InitiatorOptions, InitiatorStage } from "./initiator-stage.ts";
import type { RawLeg } from "./raw-leg.ts";

/** What all cases say of themselves. */
export interface Told {
  readonly what: string;
  /** The rule that it breaks: one of conflux's by its name, or where another one stands. */
  readonly rule: ConfluxViolationName | { readonly from: string };
  /**
   * What whoever meets it says was wrong, if that is not the rule: rules of conflux by their names, other errors by the message that they are
   * about. A circuit that is no leg is judged as any other.
   */
  readonly faults?: ReadonlyArray<string>;
  /** What comes of it: see `outcome.ts`. */
  readonly end: string;
}

/** Something that a client may not do to an exit with the legs of a set. */
export interface HostileInitiator extends Told {
  /** Made for each time that it is played. */
  readonly config?: () => Partial<ConfluxConfig>;
  readonly lab?: LabOptions;
  /** Does it. The leg on which it was done comes first, then the others of its set. */
  readonly play: (stage: ExitStage) => Effect.Effect<ReadonlyArray<RawLeg>, never, Scope.Scope>;
  /** What an exit that goes on can be asked for is not looked at: the case has left the numbers wrong. */
  readonly isSpent?: boolean;
}

/** Something that an exit, or a relay before it, may not do to a client with the legs of a set. */
export interface HostileResponder extends Told {
  /** A function, if it remembers anything. */
  readonly options?: InitiatorOptions | (() => InitiatorOptions);
  /** Does it. Gives the number of the leg on which it was done. */
  readonly play: (stage: InitiatorStage) => Effect.Effect<number, never, Scope.Scope>;
  /** The same as of {@link HostileInitiator}. */
  readonly isSpent?: boolean;
}

/** What whoever meets a case says was wrong; nothing, if it bears with it. */
export const faultsOf = ({ rule, faults }: Told): ReadonlyArray<string> => {
  if (faults !== undefined) return faults;
  return typeof rule === "string" && violationTable[rule].ends !== "nothing" ? [rule] : [];
};
