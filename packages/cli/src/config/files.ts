import { type Authority, AuthorityListError, parseAuthorities } from "@allium/directory";
import { Effect, FileSystem, Path, Result } from "effect";
import { type ConfigSchema, ConfigText, decodeConfig } from "./decode.ts";
import { ConfigError, type ConfigProblem } from "./errors.ts";

const cannotRead = (file: string, reason: string): string => `cannot read ${file}: ${reason}`;

/** The reason of a failed reading, without the path that the message around it names. */
const readingReason = (tag: string): string => readingReasons[tag] ?? tag;

const readingReasons: Readonly<Record<string, string>> = {
  NotFound: "there is no such file",
  PermissionDenied: "no permission",
  BadResource: "it is no file",
};

/** A configuration file that was read. */
export interface ReadConfig<File> {
  /** The file, as an absolute path. */
  readonly file: string;
  readonly source: ConfigText;
  /** What it says, with its defaults. */
  readonly said: File;
  /** Where a path leads that it says: relative ones are those of the directory that it is in. */
  readonly inPlace: (path: string) => string;
}

/**
 * Reads a configuration file.
 *
 * @returns fails with ConfigError, which lists all that is wrong
 */
export const readConfig = Effect.fnUntraced(function* <File>(
  name: string,
  schema: ConfigSchema<File>,
): Effect.fn.Return<ReadConfig<File>, ConfigError, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const file = paths.resolve(name);
  const text = yield* fs.readFileString(file).pipe(
    Effect.mapError(({ reason }) => {
      const detail = cannotRead("the configuration", readingReason(reason._tag));
      return new ConfigError({ problems: [{ file: name, line: undefined, key: undefined, detail }] });
    }),
  );
  const source = new ConfigText(name, text);
  const said = yield* Effect.fromResult(decodeConfig(source, schema));
  return { file, source, said, inPlace: (path) => paths.resolve(paths.dirname(file), path) };
});

/** What a file says about authorities. */
export interface AuthorityKeys {
  readonly authorities?: ReadonlyArray<string> | undefined;
  readonly authorities_file?: string | undefined;
}

/**
 * The authorities of a configuration, or of the file that it names.
 *
 * @param isOptional whether it may say nothing about them
 * @returns succeeds with what is wrong as a value: there may be more that is
 */
export const loadAuthorities = Effect.fnUntraced(function* (
  { source, inPlace }: Pick<ReadConfig<unknown>, "source" | "inPlace">,
  { authorities, authorities_file }: AuthorityKeys,
  isOptional: boolean,
): Effect.fn.Return<
  Result.Result<ReadonlyArray<Authority> | undefined, ReadonlyArray<ConfigProblem>>,
  never,
  FileSystem.FileSystem
> {
  if (authorities !== undefined && authorities_file !== undefined)
    return Result.fail([source.problem(["authorities"], "give either authorities or authorities_file, not both")]);
  if (authorities_file === undefined) {
    if (authorities !== undefined)
      return readAuthorities(authorities.join("\n"), ({ line, detail }) =>
        source.problem(authorities.length === 0 ? ["authorities"] : ["authorities", line - 1], detail),
      );
    if (isOptional) return Result.succeed(undefined);
    return Result.fail([
      source.problem(
        ["authorities"],
        "it is missing: give DirAuthority lines here, or in a file that authorities_file names",
      ),
    ]);
  }
  const file = inPlace(authorities_file);
  const text = yield* Effect.result(Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)));
  if (Result.isFailure(text)) {
    const detail = cannotRead(file, readingReason(text.failure.reason._tag));
    return Result.fail([source.problem(["authorities_file"], detail)]);
  }
  return readAuthorities(text.success, ({ line, detail }) => ({ file, line, key: undefined, detail }));
});

const readAuthorities = (
  text: string,
  locate: (problem: { readonly line: number; readonly detail: string }) => ConfigProblem,
): Result.Result<ReadonlyArray<Authority>, ReadonlyArray<ConfigProblem>> => {
  try {
    return Result.succeed(parseAuthorities(text));
  } catch (error) {
    if (error instanceof AuthorityListError) return Result.fail(error.problems.map(locate));
    throw error;
  }
};
