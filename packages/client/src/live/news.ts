import type { DirectorySnapshot } from "@allium/directory";
import type { UnixMillis } from "@allium/netdoc";
import type { BuildTimes } from "../build-times/index.ts";
import type { NetworkState } from "../network-state.ts";
import { directoryReadiness, type PathOptions, RelayTable, reasonablyLiveMs } from "../paths/index.ts";
import { unspokenProtocols } from "../protocols.ts";
import type { GuardKeeper, Wakes } from "../tunnels/index.ts";

/** What takes in the news of the directory. */
export interface NewsParts {
  readonly network: NetworkState;
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
  /** Notified of news. */
  readonly wakes: Wakes;
  readonly paths: PathOptions;
  readonly now: () => UnixMillis;
}

/** What came of it, for the log. */
export interface News {
  /** What is to be told to whoever runs the client: each thing once for a consensus. */
  readonly warnings: ReadonlyArray<string>;
}

/** Takes in what the directory knows now, or that time has passed. */
export const takeNews = (parts: NewsParts, { consensus, microdescriptors }: DirectorySnapshot): News => {
  const { network, guards, buildTimes, wakes, paths, now } = parts;
  const warnings: Array<string> = [];
  if (consensus !== undefined) {
    const before = network.table;
    const table = RelayTable.of({ consensus, microdescriptors }, paths, before);
    if (table !== before) {
      network.table = table;
      const { extremelyRestricted } = guards.update(table);
      if (before?.consensus !== consensus) {
        if (extremelyRestricted)
          warnings.push("the configuration allows so few guards that this alone makes the client stand out");
        const { required, recommended } = unspokenProtocols(consensus);
        network.unspoken = required;
        if (recommended.length > 0)
          warnings.push(`the network recommends protocols that this client does not speak: ${recommended.join(" ")}`);
        buildTimes.setParams((name) => consensus.params.raw(name));
      }
    }
  }
  network.readiness = directoryReadiness(network.table, { now: now(), guards: guards.primaryInUse() });
  wakes.notify();
  return { warnings };
};

/** When what is known becomes too old, if nothing newer comes. */
export const nextExpiry = ({ table }: NetworkState): UnixMillis | undefined =>
  table === undefined ? undefined : table.consensus.lifetime.validUntil + reasonablyLiveMs;
