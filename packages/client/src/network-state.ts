import type { NetParams } from "@allium/netdoc";
import { NetParams as Params } from "@allium/netdoc";
import type { DirectoryReadiness, RelayTable } from "./paths/index.ts";
import { directoryReadiness } from "./paths/index.ts";

/** What a client knows of the network now. One object for all its parts; each change replaces the table as a whole. */
export class NetworkState {
  table: RelayTable | undefined = undefined;
  /** Whether paths can be chosen, and if not, why. */
  readiness: DirectoryReadiness = directoryReadiness(undefined, { now: 0 });
  /** Protocols that the network requires of clients and that this one does not speak: then no circuits are built. */
  unspoken: ReadonlyArray<string> = [];
  /** Whether the client is ending. */
  isEnding = false;

  /** Whether circuits may be built. */
  get ready(): boolean {
    return this.readiness.state === "ready" && this.unspoken.length === 0;
  }

  /** The consensus's parameters. */
  get params(): NetParams {
    return this.table?.consensus.params ?? Params.none;
  }
}
