import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { Link, Reactor, ReactorGroup } from "../src/index.ts";

// Miswiring is a type error: each `@ts-expect-error` below fails the type check if the line under it should ever compile.

const parse = Reactor.make({
  name: "parse",
  reads: { bytes: Reactor.port<Uint8Array, "reset">() },
  writes: { words: Reactor.port<string>() },
  run: ({ bytes, words }) => Effect.forever(Effect.flatMap(bytes.take, (chunk) => words.offer(String(chunk.length)))),
});

describe("wiring", () => {
  it.effect("takes the right ends only", () =>
    Effect.gen(function* () {
      const bytes = yield* Link.make<Uint8Array, "reset">("bytes");
      const words = yield* Link.make<string>("words");
      const numbers = yield* Link.make<number>("numbers");
      const wired = parse.wire({ bytes: bytes.reader, words: words.writer });
      assert.deepStrictEqual([wired.reads, wired.writes], [["bytes"], ["words"]]);

      // A wider writer and a narrower reader are fine.
      const any = yield* Link.make<string | number>("any");
      const buffers = yield* Link.make<Buffer>("buffers");
      parse.wire({ bytes: buffers.reader, words: any.writer });

      // @ts-expect-error a port is missing
      parse.wire({ bytes: bytes.reader });
      // @ts-expect-error there is no such port
      parse.wire({ bytes: bytes.reader, words: words.writer, more: words.writer });
      // @ts-expect-error a writing end where it reads
      parse.wire({ bytes: bytes.writer, words: words.writer });
      // @ts-expect-error a reading end where it writes
      parse.wire({ bytes: bytes.reader, words: words.reader });
      // @ts-expect-error a link where an end is due
      parse.wire({ bytes, words: words.writer });
      // @ts-expect-error items of another type come in
      parse.wire({ bytes: numbers.reader, words: words.writer });
      // @ts-expect-error items of another type go out
      parse.wire({ bytes: bytes.reader, words: numbers.writer });
      const failing = yield* Link.make<Uint8Array, "other">("failing");
      // @ts-expect-error the link may end with an error that the port does not know
      parse.wire({ bytes: failing.reader, words: words.writer });

      // A group knows what its reactors may fail with.
      const narrow = yield* ReactorGroup.make<"timeout">({ name: "narrow" });
      // @ts-expect-error "reset" is not among the group's errors
      yield* narrow.start(wired);
      yield* narrow.stop("done");
    }),
  );
});
