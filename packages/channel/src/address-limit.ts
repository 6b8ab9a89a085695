/** Counts by address, with a limit. */
export class AddressLimit {
  private readonly counts = new Map<string, number>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Counts one more from this address; false, and nothing counted, if that would pass the limit. */
  enter(address: string): boolean {
    const count = this.counts.get(address) ?? 0;
    if (count >= this.limit) return false;
    this.counts.set(address, count + 1);
    return true;
  }

  /** Takes back one `enter`. */
  leave(address: string): void {
    const count = this.counts.get(address) ?? 0;
    if (count <= 1) this.counts.delete(address);
    else this.counts.set(address, count - 1);
  }

  /** Addresses that are counted now. */
  get size(): number {
    return this.counts.size;
  }
}
