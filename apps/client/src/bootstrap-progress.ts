import type { BootstrapProblem, BootstrapStatus, TorClientService } from "@allium/client";
import { Effect, Stream } from "effect";
import type { ProgressLine } from "./progress.ts";

const titles: Readonly<Record<BootstrapProblem, string>> = {
  "no-network": "no network",
  clock: "a clock is wrong",
  "no-directory": "no directory gives the documents",
  "old-consensus": "what is known of the network is too old",
  "no-guard": "no guard can be reached",
  protocols: "this version is too old for the network",
  "no-path": "the network has no path",
};

/** What is in the way, in a line. */
export const describeTrouble = ({ problem, detail }: { readonly problem: BootstrapProblem; readonly detail: string }) =>
  `${titles[problem]}: ${detail}`;

/**
 * Shows how far a client has come: as a bar on a terminal, else as lines of the log, one for each phase. Troubles are in the log in
 * either case. It ends with the client.
 */
export const showBootstrap = (client: Pick<TorClientService, "events">, line: ProgressLine): Effect.Effect<void> => {
  let shown: BootstrapStatus | undefined;
  const show = (status: BootstrapStatus): Effect.Effect<void> => {
    const before = shown;
    shown = status;
    const { trouble, phase, progress, waitsFor } = status;
    if (phase === "ready") line.clear();
    // The rest of it is in the log.
    else line.show(progress, trouble === undefined ? waitsFor : titles[trouble.problem]);
    const saysTrouble =
      trouble !== undefined &&
      (before?.trouble?.problem !== trouble.problem || before.trouble.detail !== trouble.detail);
    return Effect.all(
      [
        ...(phase === before?.phase || (line.isShown && phase !== "ready") ? [] : [sayPhase(status, before)]),
        ...(saysTrouble ? [Effect.logWarning(describeTrouble(trouble))] : []),
      ],
      { discard: true },
    );
  };
  return client.events.pipe(
    Stream.runForEach((event) => (event._tag === "Bootstrap" ? show(event.status) : Effect.void)),
    Effect.ensuring(Effect.sync(() => line.clear())),
  );
};

const sayPhase = ({ phase, progress, waitsFor }: BootstrapStatus, before: BootstrapStatus | undefined) => {
  if (phase === "ready") return Effect.logInfo("bootstrapped: circuits can be built");
  const words = `bootstrap ${Math.floor(progress * 100)} %: ${waitsFor}`;
  return before?.phase === "ready" ? Effect.logWarning(`no longer ready; ${words}`) : Effect.logInfo(words);
};
