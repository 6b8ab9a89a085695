import { HopFailed } from "@allium/circuit";
import type { DirectoryActivity, DirectoryFetchError, NoDirectorySource } from "@allium/directory";
import type { UnixMillis } from "@allium/netdoc";
import { NoGuardError } from "../guards/index.ts";
import type { NetworkState } from "../network-state.ts";
import type { BootstrapPhase, BootstrapStatus, BootstrapTrouble } from "../status.ts";
import { type BuildProblem, describeProblem, isClock, isNoNetwork } from "../tunnels/index.ts";

/** What the status follows from. */
export interface BootstrapFacts {
  readonly directory: DirectoryActivity;
  readonly network: Pick<NetworkState, "readiness" | "unspoken" | "ready">;
  /** Whether a tunnel that leads out was ever built. */
  readonly hasBuilt: boolean;
  /** Why the newest tunnel came to nothing, if it did. */
  readonly lastProblem: BuildProblem | undefined;
  readonly now: UnixMillis;
}

/** What each phase begins with, of the whole. */
const beginnings: Readonly<Record<BootstrapPhase, number>> = {
  starting: 0,
  connecting: 0.05,
  consensus: 0.15,
  certificates: 0.4,
  microdescriptors: 0.45,
  circuit: 0.9,
  ready: 1,
};

const words: Readonly<Record<Exclude<BootstrapPhase, "microdescriptors">, string>> = {
  starting: "reading what is kept on disk",
  connecting: "connecting to a directory",
  consensus: "loading the consensus of the authorities",
  certificates: "loading the certificates of the authorities",
  circuit: "building a circuit",
  ready: "done",
};

/** How far a client has come. @param before the status until now: a trouble that lasts keeps its beginning */
export const bootstrapStatus = (facts: BootstrapFacts, before: BootstrapStatus | undefined): BootstrapStatus => {
  const { network } = facts;
  const phase = phaseOf(facts);
  const begin = beginnings[phase];
  const { fraction, needed } = network.readiness;
  const share = phase === "microdescriptors" && needed > 0 ? Math.min(fraction / needed, 1) : 0;
  return {
    phase,
    progress: begin + share * (beginnings.circuit - beginnings.microdescriptors),
    waitsFor: phase === "microdescriptors" ? network.readiness.reason : words[phase],
    trouble: since(troubleOf(facts, phase), before?.trouble, facts.now),
  };
};

/** Whether two are the same to whoever looks at them. */
export const isSameStatus = (one: BootstrapStatus, other: BootstrapStatus): boolean =>
  one.phase === other.phase &&
  one.progress === other.progress &&
  one.waitsFor === other.waitsFor &&
  one.trouble?.problem === other.trouble?.problem &&
  one.trouble?.detail === other.trouble?.detail;

const phaseOf = ({ directory, network, hasBuilt }: BootstrapFacts): BootstrapPhase => {
  if (network.ready) return hasBuilt ? "ready" : "circuit";
  switch (network.readiness.state) {
    case "microdescriptors":
    case "guard-microdescriptors":
      return "microdescriptors";
    default:
      return directoryPhase(directory);
  }
};

const directoryPhase = ({ wanted, requests }: DirectoryActivity): BootstrapPhase => {
  if (wanted === undefined) return "starting";
  if (wanted.what === "certificates") return "certificates";
  return requests.some(({ connected }) => connected) ? "consensus" : "connecting";
};

type Trouble = Omit<BootstrapTrouble, "since">;

const troubleOf = (
  { directory, network, hasBuilt, lastProblem }: BootstrapFacts,
  phase: BootstrapPhase,
): Trouble | undefined => {
  if (network.unspoken.length > 0)
    return {
      problem: "protocols",
      detail: `the network requires protocols of clients that this one does not speak: ${network.unspoken.join(" ")}; a newer version is needed`,
      final: true,
    };
  if (phase === "ready") return undefined;
  if (phase === "circuit") return hasBuilt || lastProblem === undefined ? undefined : troubleOfBuild(lastProblem);
  if (directory.failure !== undefined) return troubleOfFetch(directory.failure);
  return network.readiness.state === "old-consensus"
    ? { problem: "old-consensus", detail: network.readiness.reason, final: false }
    : undefined;
};

const troubleOfFetch = (failure: DirectoryFetchError | NoDirectorySource): Trouble => {
  const detail = failure.message;
  if (failure._tag === "NoDirectorySource") {
    const isGuard = failure.cause instanceof NoGuardError;
    return { problem: isGuard ? "no-guard" : "no-directory", detail, final: failure.final ?? false };
  }
  if (failure.validity !== undefined) return wrongClock(failure.validity.message);
  if (failure.cause instanceof HopFailed && isClock(failure.cause)) return wrongClock(failure.cause.message);
  if (failure.cause instanceof HopFailed && isNoNetwork(failure.cause))
    return { problem: "no-network", detail: `this computer seems to have no network: ${detail}`, final: false };
  return { problem: "no-directory", detail, final: false };
};

const wrongClock = (detail: string): Trouble => ({
  problem: "clock",
  detail: `the clock of this computer seems to be wrong, or that of the network: ${detail}`,
  final: false,
});

const troubleOfBuild = (problem: BuildProblem): Trouble => {
  const detail = describeProblem(problem);
  switch (problem._tag) {
    case "NoGuard": {
      // Time or another consensus will not help if the configuration is what forbids them.
      const final = problem.error.reason === "all-filtered";
      return { problem: "no-guard", detail, final };
    }
    case "NoRelay":
      return { problem: "no-path", detail, final: false };
    case "HopFailed":
      if (isNoNetwork(problem.error))
        return { problem: "no-network", detail: `this computer seems to have no network: ${detail}`, final: false };
      return isClock(problem.error) ? wrongClock(detail) : { problem: "no-guard", detail, final: false };
    default:
      return { problem: "no-guard", detail, final: false };
  }
};

const since = (
  trouble: Trouble | undefined,
  before: BootstrapTrouble | undefined,
  now: UnixMillis,
): BootstrapTrouble | undefined =>
  trouble === undefined ? undefined : { ...trouble, since: before?.problem === trouble.problem ? before.since : now };
