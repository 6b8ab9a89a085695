import { Reactor, ReactorGroup } from "@allium/kernel";
import { Effect } from "effect";

const read = Reactor.make({
  name: "read",
  reads: {},
  writes: { lines: Reactor.port<string>() },
  run: ({ lines }) =>
    Effect.gen(function* () {
      for (const line of ["to be or not", "to be"]) yield* lines.offer(line);
      yield* lines.end;
      yield* Effect.never;
    }),
});

const split = Reactor.make({
  name: "split",
  reads: { lines: Reactor.port<string>() },
  writes: { words: Reactor.port<string>() },
  run: ({ lines, words }) =>
    Effect.gen(function* () {
      while (true) {
        const line = yield* lines.take;
        for (const word of line.split(" ")) yield* words.offer(word);
      }
    }).pipe(Effect.catchTag("LinkEnded", () => Effect.andThen(words.end, Effect.never))),
});

const count = Reactor.make({
  name: "count",
  reads: { words: Reactor.port<string>() },
  writes: {},
  run: ({ words }) =>
    Effect.suspend(() => {
      const counts = new Map<string, number>();
      return Effect.gen(function* () {
        while (true) {
          const word = yield* words.take;
          counts.set(word, (counts.get(word) ?? 0) + 1);
        }
      }).pipe(Effect.catchTag("LinkEnded", () => Effect.succeed(counts)));
    }),
});

export const wordCount = ReactorGroup.run({ name: "word count" }, (group) =>
  Effect.gen(function* () {
    const lines = group.link<string>("lines");
    const words = group.link<string>("words");
    yield* group.start(read.wire({ lines: lines.writer }));
    yield* group.start(split.wire({ lines: lines.reader, words: words.writer }));
    yield* group.start(count.wire({ words: words.reader }));
  }),
);
