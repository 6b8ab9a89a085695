/**
 * Work on a large document in steps: a generator that pauses at times, so that whoever runs it can let others have a turn. A
 * step takes no longer than a few milliseconds, whatever the document is.
 */
export type Steps<A> = Generator<undefined, A, void>;

/** Does all the work at once. */
export const runSteps = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
};
