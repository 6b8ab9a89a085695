import { Reactor, ReactorGroup, Signal } from "@allium/kernel";
import { Effect, Exit } from "effect";

const counter = Reactor.turns({
  name: "counter",
  reads: { words: Reactor.port<string>() },
  writes: {},
  signal: (given: { readonly signal: Signal; readonly counts: Map<string, number> }) => given.signal,
  turn:
    ({ counts }, { words }) =>
    () => {
      for (let taken = words.takeUnsafe(); taken !== undefined; taken = words.takeUnsafe()) {
        if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
        counts.set(taken.value, (counts.get(taken.value) ?? 0) + 1);
      }
      return undefined;
    },
});

export const countWords = Effect.gen(function* () {
  const host = yield* ReactorGroup.host;
  const counts = new Map<string, number>();
  const group = host.make({ name: "words", onRelease: () => counts.set("released", 1) });
  const words = group.link<string>("words");
  group.startTurns(counter({ signal: Signal.make(), counts }).wire({ words: words.reader }));
  for (const word of ["to", "be", "to"]) yield* words.writer.offer(word);
  yield* words.writer.end;
  const { cause } = yield* group.ended;
  return { counts, cause };
});
