import type { AttachedCircuit } from "./attached-circuit.ts";

/**
 * The circuits of one channel by their IDs.
 *
 * Keys are the IDs as signed 32-bit integers: the platform's small integers, which its maps hash faster than the larger
 * numbers that half of all circuit IDs are.
 */
export class CircuitMap {
  private readonly circuits = new Map<number, AttachedCircuit>();

  get size(): number {
    return this.circuits.size;
  }

  get(circId: number): AttachedCircuit | undefined {
    return this.circuits.get(circId | 0);
  }

  has(circId: number): boolean {
    return this.circuits.has(circId | 0);
  }

  add(circuit: AttachedCircuit): void {
    this.circuits.set(circuit.circId | 0, circuit);
  }

  /** Takes the circuit out; false if it was not in (any more), though another may have its ID by now. */
  remove(circuit: AttachedCircuit): boolean {
    if (this.get(circuit.circId) !== circuit) return false;
    this.circuits.delete(circuit.circId | 0);
    return true;
  }

  values(): IterableIterator<AttachedCircuit> {
    return this.circuits.values();
  }

  /**
   * Draws an unused ID of our half, or `undefined` if none is found (tor-spec, "Choosing circuit IDs").
   *
   * @param high whether our half is the one with the highest bit set: that of the side that opened the connection
   */
  draw(high: boolean, below: (limit: number) => number): number | undefined {
    for (let attempt = 0; attempt < CIRCUIT_ID_ATTEMPTS; attempt++) {
      const drawn = below(CIRCUIT_ID_HALF);
      const circId = high ? drawn + CIRCUIT_ID_HALF : drawn;
      if (circId !== 0 && !this.has(circId)) return circId;
    }
    return undefined;
  }
}

/** Whether a circuit ID belongs to the side that opened the connection. */
export const isInitiatorsHalf = (circId: number): boolean => circId >= CIRCUIT_ID_HALF;

/** Circuit IDs with the highest bit set belong to the side that opened the connection, the others to the other. */
const CIRCUIT_ID_HALF = 0x8000_0000;

/** Draws of a circuit ID before a channel is taken for full, as in `tor`. */
const CIRCUIT_ID_ATTEMPTS = 64;
