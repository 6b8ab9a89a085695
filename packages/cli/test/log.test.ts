import { assert, describe, it } from "@effect/vitest";
import { Effect, type LogLevel, Option } from "effect";
import { TestConsole } from "effect/testing";
import { type LogConfig, makeLogs } from "../src/index.ts";

/** What stands on standard error after one message of each level. */
const logged = (config: LogConfig, asked?: LogLevel.LogLevel) =>
  Effect.gen(function* () {
    yield* Effect.all([
      Effect.logError("an error"),
      Effect.logWarning("a warning"),
      Effect.logInfo("an information"),
      Effect.logDebug("a detail"),
      Effect.logTrace("a trace"),
    ]).pipe(Effect.annotateLogs("circuit", 7), Effect.provide(makeLogs(config, Option.fromUndefinedOr(asked)).layer));
    return (yield* TestConsole.errorLines).map(String);
  });

const messages = (lines: ReadonlyArray<string>) => lines.map((line) => /message="([^"]*)"/.exec(line)?.[1]);

describe("logs", () => {
  it.effect("are logfmt, of the level that is configured and above", () =>
    Effect.gen(function* () {
      const lines = yield* logged({ level: "info", format: "logfmt" });
      assert.deepStrictEqual(messages(lines), ["an error", "a warning", "an information"]);
      assert.match(lines[0] ?? "", /^timestamp=\S+ level=ERROR fiber=#\d+ message="an error" circuit=7$/);
    }),
  );

  it.effect("show everything at the level trace", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* logged({ level: "trace", format: "logfmt" }), 5);
    }),
  );

  it.effect("show errors alone at the level error", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(messages(yield* logged({ level: "error", format: "logfmt" })), ["an error"]);
    }),
  );

  it.effect("follow the command line before the configuration", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* logged({ level: "error", format: "logfmt" }, "Debug"), 4);
    }),
  );

  it.effect("change their level while fibers run, unless the command line has chosen it", () =>
    Effect.gen(function* () {
      const chosen = makeLogs({ level: "info", format: "logfmt" }, Option.some("Warn"));
      const logs = makeLogs({ level: "info", format: "logfmt" }, Option.none());
      const lines = (from: ReturnType<typeof makeLogs>) =>
        Effect.gen(function* () {
          const count = yield* Effect.map(TestConsole.errorLines, ({ length }) => length);
          const say = Effect.logDebug("a detail");
          yield* say;
          from.setLevel("debug");
          yield* say;
          from.setLevel("info");
          yield* say;
          return (yield* TestConsole.errorLines).length - count;
        }).pipe(Effect.provide(from.layer));
      assert.strictEqual(yield* lines(logs), 1);
      assert.strictEqual(yield* lines(chosen), 0);
    }),
  );

  it.effect("are JSON, one object a line, if that is configured", () =>
    Effect.gen(function* () {
      const lines = yield* logged({ level: "warn", format: "json" });
      const [first, second] = lines.map((line) => JSON.parse(line));
      assert.lengthOf(lines, 2);
      assert.deepInclude(first, { level: "ERROR", message: "an error", annotations: { circuit: 7 } });
      assert.deepInclude(second, { level: "WARN", message: "a warning" });
    }),
  );
});
