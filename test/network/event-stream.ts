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
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const taken = await this.takeBefore(deadline);
      if (taken === undefined) throw new WaitTimeoutError(what, timeoutMs);
      if (taken.done) throw new WaitTimeoutError(what, timeoutMs, "the connection closed");
      const chosen = choose(taken.value);
      if (chosen !== undefined) return chosen;
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

  /** The next item, or undefined at the deadline: then the item, when it comes, is still there for the next taker. */
  private takeBefore(deadline: number): Promise<IteratorResult<A> | undefined> {
    if (this.waitingItems.length > 0 || this.ended) return this.next();
    return new Promise((resolve) => {
      const taker = (result: IteratorResult<A>): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const timer = setTimeout(
        () => {
          this.waitingTakers.splice(this.waitingTakers.indexOf(taker), 1);
          resolve(undefined);
        },
        Math.max(0, deadline - performance.now()),
      );
      this.waitingTakers.push(taker);
    });
  }
}
