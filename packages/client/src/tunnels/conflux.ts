import { ConfluxUx } from "@allium/cell";
import {
  type ConfluxManager,
  type ConfluxParams,
  confluxParams,
  maxPrebuiltSets,
  RESUMPTION_PROTOCOL,
} from "@allium/conflux";
import type { NetParams } from "@allium/netdoc";
import type { ConfluxConfig } from "../config.ts";
import type { NetworkState } from "../network-state.ts";
import { confluxExitShare, type Relay } from "../paths/index.ts";

const uxOf: Readonly<Record<NonNullable<ConfluxConfig["ux"]>, number>> = {
  none: ConfluxUx.NO_OPINION,
  latency: ConfluxUx.MIN_LATENCY,
  "latency-low-memory": ConfluxUx.LOW_MEM_LATENCY,
  throughput: ConfluxUx.HIGH_THROUGHPUT,
  "throughput-low-memory": ConfluxUx.LOW_MEM_THROUGHPUT,
};

/** Whether and how a client links circuits: what it is configured to, and what the consensus says of it now. */
export class ClientConflux {
  readonly manager: Pick<ConfluxManager["Service"], "begin">;
  /** What exits are asked for, a `ConfluxUx`. */
  readonly desiredUx: number;
  readonly #config: ConfluxConfig;
  readonly #network: NetworkState;
  #read: { readonly from: NetParams; readonly params: ConfluxParams } | undefined;

  constructor(manager: Pick<ConfluxManager["Service"], "begin">, config: ConfluxConfig, network: NetworkState) {
    this.manager = manager;
    this.desiredUx = uxOf[config.ux ?? "throughput"];
    this.#config = config;
    this.#network = network;
  }

  /** Whether to offer to an exit that its sets outlive the loss of a circuit: only to one that says it can do that. */
  resumesWith({ status }: Pick<Relay, "status">): boolean {
    return this.#config.resumption === true && status.protocols.supports(RESUMPTION_PROTOCOL, 1);
  }

  /** What holds now. */
  get params(): ConfluxParams {
    const from = this.#network.params;
    if (this.#read?.from !== from) {
      const { enabled = "auto" } = this.#config;
      const said = confluxParams((name) => from.raw(name));
      this.#read = { from, params: enabled === "auto" ? said : { ...said, enabled } };
    }
    return this.#read.params;
  }

  /** How many sets are to be there before they are asked for. A set of one leg is no better than a circuit. */
  get prebuilt(): number {
    const { table } = this.#network;
    if (table === undefined || this.params.legsPerSet < 2) return 0;
    return maxPrebuiltSets(this.params, confluxExitShare(table));
  }
}
