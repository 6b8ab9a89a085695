import { Clock, Context } from "effect";

const live = Context.get(Context.empty(), Clock.Clock);

/** The platform's clock, by what a test has faked of it: `setTimeout` and `performance`. (It holds on to `hrtime`, which cannot be.) */
export const fakedClock: Clock.Clock = Object.assign(Object.create(live) as Clock.Clock, {
  monotonicTimeNanosUnsafe: () => BigInt(Math.round(performance.now() * 1e6)),
});
