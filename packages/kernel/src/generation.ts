/**
 * Generations tell the sessions of one peer apart: a peer that comes back has a greater one. Whatever is stored on behalf of a
 * session is stored under its generation, so what an old session does late (its teardown above all) cannot touch what its
 * successor has put in the same place.
 */
let last = 0;

/** The next generation: greater than all that the process has given out. */
export const nextGeneration = (): number => ++last;

/** A value and the session that it belongs to. */
export interface Generational<out V> {
  readonly generation: number;
  readonly value: V;
}

/** A map in which each entry belongs to a generation. An older generation can neither replace nor remove a newer one's entry. */
export class GenerationMap<in out K, in out V> {
  readonly #entries = new Map<K, Generational<V>>();

  /** How many entries there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** The entry of a key, with its generation. */
  get(key: K): Generational<V> | undefined {
    return this.#entries.get(key);
  }

  /** Stores a value. Answers `false`, and does nothing, when the key belongs to a newer generation. */
  set(key: K, generation: number, value: V): boolean {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.generation > generation) return false;
    this.#entries.set(key, { generation, value });
    return true;
  }

  /** Removes a key's entry. Answers `false`, and does nothing, unless it belongs to this very generation. */
  delete(key: K, generation: number): boolean {
    if (this.#entries.get(key)?.generation !== generation) return false;
    return this.#entries.delete(key);
  }

  /** All entries, in the order in which their keys came. */
  entries(): IterableIterator<[K, Generational<V>]> {
    return this.#entries.entries();
  }
}
