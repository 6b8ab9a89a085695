import { NodeServices } from "@effect/platform-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, Result, Schema } from "effect";
import { loadAuthorities, readConfig, Values } from "../src/index.ts";

const { byteSize, endpoint, integer, oneOf, optional, path, withDefault } = Values;

const File = Schema.Struct({
  data_dir: path,
  listen: withDefault(endpoint("127.0.0.1:9150"), "127.0.0.1:9150"),
  mode: optional(oneOf(["fast", "slow"])),
  authorities: optional(Schema.Array(Schema.String)),
  authorities_file: optional(path),
  limits: withDefault(
    Schema.Struct({
      max_connections: withDefault(integer(1, 10_000), 100),
      buffer: withDefault(byteSize(1, 1e9), "1 MiB"),
    }),
    {},
  ),
});

/** What is made of a text as the file `service.toml` of a directory of its own. */
const read = <A>(text: string, look: (config: Effect.Success<ReturnType<typeof readFile>>) => A) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "allium-cli-" });
    yield* fs.writeFileString(`${directory}/service.toml`, text);
    return yield* readFile(directory).pipe(
      Effect.map(look),
      Effect.mapError(({ message }) => message.replaceAll(`${directory}/`, "").split("\n")),
    );
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer));

const readFile = (directory: string) => readConfig(`${directory}/service.toml`, File);

describe("a configuration", () => {
  it.effect("has its defaults, and paths of the directory that it is in", () =>
    Effect.gen(function* () {
      const said = yield* read('data_dir = "data"\n', (config) => ({
        ...config.said,
        data_dir: config.inPlace(config.said.data_dir).slice(config.file.length - "service.toml".length),
      }));
      assert.deepStrictEqual(said, {
        data_dir: "data",
        listen: { host: "127.0.0.1", port: 9150 },
        limits: { max_connections: 100, buffer: 1_048_576 },
      });
    }),
  );

  it.effect("tells all its mistakes at once, each with its line and what was meant", () =>
    Effect.gen(function* () {
      const mistakes = yield* Effect.flip(
        read('mode = "brisk"\nlisten = "9150"\n[limits]\nmax_connections = 0\nbufer = "1 MB"\n', () => undefined),
      );
      assert.deepStrictEqual(mistakes, [
        "service.toml: data_dir: it is missing, and there is no default",
        'service.toml:1: mode: expected "fast", "slow", got "brisk"',
        'service.toml:2: listen: expected an IP address and a port, as in "127.0.0.1:9150", got "9150"',
        "service.toml:4: limits.max_connections: expected a whole number from 1 to 10000, got 0",
        'service.toml:5: limits.bufer: there is no such key; did you mean "buffer"?',
      ]);
    }),
  );

  it.effect("of no TOML, or that is not there, is told so", () =>
    Effect.gen(function* () {
      const mistakes = yield* Effect.flip(read("mode = fast\n", () => undefined));
      assert.deepStrictEqual(mistakes, ["service.toml:1: column 8: invalid value"]);
      const missing = yield* Effect.flip(readFile("/nowhere")).pipe(Effect.provide(NodeServices.layer));
      assert.strictEqual(
        missing.message,
        "/nowhere/service.toml: cannot read the configuration: there is no such file",
      );
    }),
  );
});

describe("the authorities of a configuration", () => {
  const line = (digit: string) => `auth${digit} v3ident=${digit.repeat(40)} 127.0.0.1:7000 ${digit.repeat(40)}`;

  const load = (text: string, isOptional: boolean) =>
    Effect.flatMap(
      read(text, (config) => config),
      (config) => loadAuthorities(config, config.said, isOptional),
    ).pipe(Effect.provide(NodeServices.layer));

  it.effect("are those of its lines", () =>
    Effect.gen(function* () {
      const loaded = yield* load(`data_dir = "d"\nauthorities = ["${line("1")}", "${line("2")}"]\n`, false);
      assert.deepStrictEqual(
        Result.getOrThrow(loaded)?.map(({ name }) => name),
        ["auth1", "auth2"],
      );
    }),
  );

  it.effect("may be left out where there are others", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* load('data_dir = "d"\n', true), Result.succeed(undefined));
      assert.isTrue(Result.isFailure(yield* load('data_dir = "d"\n', false)));
    }),
  );

  it.effect("are not given twice, nor in a file that is not there", () =>
    Effect.gen(function* () {
      const both = yield* load('data_dir = "d"\nauthorities = []\nauthorities_file = "f"\n', true);
      assert.include(Result.isFailure(both) ? both.failure[0]?.detail : "", "not both");
      const missing = yield* load('data_dir = "d"\nauthorities_file = "f"\n', true);
      assert.include(Result.isFailure(missing) ? missing.failure[0]?.detail : "", "there is no such file");
    }),
  );
});
