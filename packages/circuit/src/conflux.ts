import type { ConfluxLink, ConfluxLinked, ConfluxLinkedAck, ConfluxSwitch } from "@allium/cell";
import type { ReactorGroup } from "@allium/kernel";
import { Context, type Effect } from "effect";
import type { CircuitError, CircuitStop } from "./errors.ts";
import type { HopFlow } from "./hop.ts";
import type { StreamPaths } from "./stream-path.ts";
import type { StreamOpener } from "./streams/opener.ts";

/** A circuit, to whoever makes it a leg of a tunnel. */
export interface LinkableCircuit {
  /** For logs and the topology: `circuit 17`. */
  readonly name: string;
  readonly group: ReactorGroup<CircuitError, CircuitStop>;
  readonly paths: StreamPaths;
  readonly hops: ReadonlyArray<HopFlow>;
  /** Whether it goes on beyond this relay. */
  readonly isExtended: boolean;
  /** Makes what opens incoming streams. */
  makeOpener(): StreamOpener;
  /** Ends the circuit. */
  stop(reason: CircuitStop): void;
}

/** The messages by which circuits become legs of one tunnel. Proposal 329, 2.1. */
export type ConfluxMessage = ConfluxLink | ConfluxLinked | ConfluxLinkedAck | ConfluxSwitch;

/**
 * Links circuits: declared here, and provided by `@allium/conflux`. Where it is not provided, circuits take its messages for
 * violations.
 */
export class Conflux extends Context.Service<
  Conflux,
  {
    /**
     * A message came on a circuit that is no leg yet. Ingress goes on when this is done. What comes on a leg keeps its place among the
     * leg's stream messages.
     */
    readonly onMessage: (
      circuit: LinkableCircuit,
      hop: number,
      message: ConfluxMessage,
    ) => Effect.Effect<void, CircuitError>;
  }
>()("allium/circuit/Conflux") {}
