import { WaitTimeoutError } from "./errors.ts";

/** Runs `promise` against a deadline; `what` and `detail` end up in the error. */
export async function withTimeout<A>(
  promise: Promise<A>,
  timeoutMs: number,
  what: string,
  detail: () => string = () => "",
): Promise<A> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new WaitTimeoutError(what, timeoutMs, detail())), timeoutMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after `ms`; for backing off from something that has no event to wait for. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** How `eventually` waits. */
export interface Patience {
  /** @default 30_000 */
  readonly timeoutMs?: number;
  /** Between two looks. @default 10 */
  readonly everyMs?: number;
  /** What there is instead, for the error. */
  readonly detail?: () => string;
}

/**
 * Looks again and again until there is something: neither `false` nor `undefined`. Gives what it is. For what no event tells of.
 *
 * @throws WaitTimeoutError
 */
export const eventually = async <A>(
  what: string,
  look: () => A | Promise<A>,
  { timeoutMs = 30_000, everyMs = 10, detail }: Patience = {},
): Promise<Exclude<A, false | undefined>> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined) return found as Exclude<A, false | undefined>;
    if (performance.now() > deadline) throw new WaitTimeoutError(what, timeoutMs, detail?.());
    await pause(everyMs);
  }
};
