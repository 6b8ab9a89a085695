import { WaitTimeoutError } from "./errors.ts";

/**
 * Items pushed by one side and iterated by the other, in order and without loss from the moment it is made. It holds
 * what nobody has taken yet, without bound: it is for the few events of a test.
 */
export class EventStream<A> implements AsyncIterableIterator<A>, AsyncDisposable {
  private readonly waitingItems: Array<A> = [];
  private readonly waitingTakers: Array<(result: IteratorResult<A>) => void> = [];
  private ended = false;
  private readonly onClose: () => void;

  constructor(onClose: () => void = () => {}) {
    this.onClose = onClose;
  }

  push(item: A): void {
    if (this.ended) return;
    const taker = this.waitingTakers.shift();
    if (taker === undefined) this.waitingItems.push(item);
    else taker({ done: false, value: item });
  }

  /** No more items will come; what is held can still be taken. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const taker of this.waitingTakers.splice(0)) taker({ done: true, value: undefined });
    this.onClose();
  }

  next(): Promise<IteratorResult<A>> {
    const item = this.waitingItems.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.waitingTakers.push(resolve));
  }

  /**
   * Takes items until `choose` gives something for one of them, and gives that.
   *
   * @throws WaitTimeoutError when none does in time, or the stream ends first
   */
  async until<B>(choose: (item: A) => B | undefined, timeoutMs: number, what: string): Promise<B> {
    let expired = false;
    const timer = setTimeout(() => {
      expired = true;
      this.push(undefined as A);
    }, timeoutMs);
    try {
      for (;;) {
        const { done, value } = await this.next();
        if (done || expired) throw new WaitTimeoutError(what, timeoutMs, done ? "the connection closed" : "");
        const chosen = choose(value);
        if (chosen !== undefined) return chosen;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  return(): Promise<IteratorResult<A>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }
}
