import type { HopFailed } from "@allium/circuit";
import type { ConnectFailure } from "../errors.ts";
import { NoGuardError } from "../guards/index.ts";
import { NoSuitableRelay } from "../paths/index.ts";

/** Why there is no tunnel, or one that was begun is of no use. */
export type BuildProblem =
  /** A relay of its path did not become a hop. */
  | { readonly _tag: "HopFailed"; readonly error: HopFailed }
  /** It has taken longer than circuits take here (path-spec 2.4). */
  | { readonly _tag: "Late" }
  /** Its guard has left the sample, or better ones have answered meanwhile. */
  | { readonly _tag: "GuardNotUsed" }
  /** There is no guard to begin with. */
  | { readonly _tag: "NoGuard"; readonly error: NoGuardError }
  /** No relay fits. */
  | { readonly _tag: "NoRelay"; readonly error: NoSuitableRelay }
  /** As many tunnels are there as may be. */
  | { readonly _tag: "TooMany" };

/** What was thrown when a path was chosen, if it was a problem of the path. */
export const pathProblem = (thrown: unknown): BuildProblem | undefined => {
  if (thrown instanceof NoGuardError) return { _tag: "NoGuard", error: thrown };
  return thrown instanceof NoSuitableRelay ? { _tag: "NoRelay", error: thrown } : undefined;
};

/** In words. */
export const describeProblem = (problem: BuildProblem): string => {
  switch (problem._tag) {
    case "HopFailed":
    case "NoGuard":
    case "NoRelay":
      return problem.error.message;
    case "Late":
      return "the circuit took too long to build";
    case "GuardNotUsed":
      return "another guard is used";
    case "TooMany":
      return "too many circuits";
  }
};

/** Whether a circuit failed because no connection leaves this computer. */
export const isNoNetwork = ({ problem }: HopFailed): boolean =>
  problem._tag === "Channel" && problem.error._tag === "TransportError" && NO_NETWORK.has(problem.error.code);

/** What the system says if there is no way to anywhere, or no address of this computer to leave from. */
const NO_NETWORK: ReadonlySet<string> = new Set(["ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL"]);

/** Whether a circuit failed because a relay's certificates are of another time. */
export const isClock = ({ problem }: HopFailed): boolean =>
  problem._tag === "Channel" && problem.error._tag === "LinkHandshakeError" && problem.error.isOutOfTime;

/** What an application is told that has waited for a tunnel in vain. */
export const failureOf = (problem: BuildProblem): ConnectFailure => {
  switch (problem._tag) {
    case "HopFailed":
      return isNoNetwork(problem.error) ? "no-network" : "no-circuit";
    case "NoGuard":
      return problem.error.reason === "no-consensus" || problem.error.reason === "missing-descriptors"
        ? "not-bootstrapped"
        : "no-guard";
    case "NoRelay":
      return problem.error.role === "exit" ? "no-exit" : "no-circuit";
    case "TooMany":
      return "resource-limit";
    case "Late":
    case "GuardNotUsed":
      return "no-circuit";
  }
};
