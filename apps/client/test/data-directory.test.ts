import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest";
import { Effect, Exit, Scope } from "effect";
import { holdDataDirectory } from "../src/data-directory.ts";

let parent: string;
let directory: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "allium-data-"));
  directory = join(parent, "deep/data");
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

/** Why the directory is refused. */
const refusal = Effect.map(Effect.flip(Effect.scoped(Effect.suspend(() => holdDataDirectory(directory)))), (error) =>
  error.message.replace(directory, "data"),
);

describe("the data directory", () => {
  it.effect("is made for its user alone, held by one, and free again afterwards", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      yield* holdDataDirectory(directory).pipe(Scope.provide(scope));
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700);
      assert.strictEqual(Number(readFileSync(join(directory, "lock"), "utf8").split(" ")[0]), process.pid);
      assert.match(
        yield* refusal,
        new RegExp(`^data: another client \\(process ${process.pid}\\) runs in it; use that one`),
      );
      assert.deepStrictEqual(readdirSync(directory), ["lock"]);
      yield* Scope.close(scope, Exit.void);
      assert.isFalse(existsSync(join(directory, "lock")));
      yield* Effect.scoped(holdDataDirectory(directory));
    }),
  );

  for (const [whose, lock] of [
    ["a process that is no more", "4194303 12\n"],
    ["another process of the same number", `${process.pid} 1\n`],
    ["nobody", "\n"],
  ] as const) {
    it.effect(`is taken over from ${whose}`, () =>
      Effect.gen(function* () {
        yield* Effect.scoped(holdDataDirectory(directory));
        writeFileSync(join(directory, "lock"), lock);
        const held = yield* Effect.scoped(
          Effect.andThen(
            holdDataDirectory(directory),
            Effect.sync(() => readdirSync(directory)),
          ),
        );
        assert.deepStrictEqual(held, ["lock"]);
      }),
    );
  }

  it.effect("is refused where others may write", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(holdDataDirectory(directory));
      chmodSync(directory, 0o777);
      assert.strictEqual(yield* refusal, "data: others can write into it (mode 0777): chmod go-w");
    }),
  );

  it.effect("is refused where it is no directory, or cannot be made", () =>
    Effect.gen(function* () {
      directory = join(parent, "file");
      writeFileSync(directory, "");
      assert.strictEqual(yield* refusal, "data: it is no directory (EEXIST)");
      directory = join(parent, "file/data");
      assert.strictEqual(yield* refusal, "data: a part of the path is no directory (ENOTDIR)");
    }),
  );
});
