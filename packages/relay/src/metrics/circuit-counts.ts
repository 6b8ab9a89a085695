import { DestroyReason } from "@allium/cell";
import { type CircuitEnd, meaningOf, type RelayCircuit } from "@allium/circuit";
import type { MetricSample } from "@allium/kernel";

const isVegas = ({ congestion }: RelayCircuit): boolean => congestion.algorithm === "vegas";

/** Counts how circuits ended. Told at the end of each. */
export class CircuitCounts {
  /** Circuits that ended since somebody broke the protocol on them. */
  violations = 0;
  /** Circuits that ended by a bug of ours. */
  bugs = 0;
  /** Circuits with congestion control that have ended, and those of them that had left slow start. */
  private closed = 0;
  private closedSteady = 0;
  /** The windows of the circuits in `closed`, added up. */
  private windows = 0;

  /** A circuit has ended. */
  onEnd(circuit: RelayCircuit, { cause }: CircuitEnd): void {
    const { destroyReason, level } = meaningOf(cause);
    if (level === "error") this.bugs++;
    else if (destroyReason === DestroyReason.PROTOCOL) this.violations++;
    if (!isVegas(circuit)) return;
    this.closed++;
    this.windows += circuit.congestion.cwnd;
    if (!circuit.congestion.inSlowStart) this.closedSteady++;
  }

  /** Samples of `tor_relay_congestion_control_total`. */
  congestionTotal(open: ReadonlyArray<RelayCircuit>): ReadonlyArray<MetricSample> {
    const vegas = open.filter(isVegas);
    const steady = vegas.filter(({ congestion }) => !congestion.inSlowStart).length;
    const sample = (action: string, value: number) => ({ labels: { state: "cc_circuits", action }, value });
    return [
      sample("circs_created", this.closed + vegas.length),
      sample("circs_closed", this.closed),
      sample("circs_exited_ss", this.closedSteady + steady),
    ];
  }

  /** Samples of `tor_relay_congestion_control`. */
  congestion(): ReadonlyArray<MetricSample> {
    const value = this.closed === 0 ? 0 : this.windows / this.closed;
    return [{ labels: { state: "on_circ_close", action: "cwnd" }, value }];
  }
}
