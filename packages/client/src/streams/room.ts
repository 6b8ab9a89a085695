/** How many streams a client may have at once, those that are asked for among them. */
export class StreamRoom {
  readonly max: number;
  readonly #open: () => number;
  #asked = 0;
  /** There are not more than this. */
  #most = 0;

  /** @param open counts the streams in tunnels: it looks at all of them, and is asked when there may be no room only */
  constructor(max: number, open: () => number) {
    this.max = max;
    this.#open = open;
  }

  /** Another is asked for; false if there is no room for it. */
  enter(): boolean {
    if (this.#most >= this.max) this.#most = this.#asked + this.#open();
    if (this.#most >= this.max) return false;
    this.#most++;
    this.#asked++;
    return true;
  }

  /** It is in a tunnel now, or came to nothing. */
  leave(): void {
    this.#asked--;
  }
}
