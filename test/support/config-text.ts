import type { ConfigError } from "@allium/cli";
import { NodeServices } from "@effect/platform-node";
import { Effect, FileSystem, type Path } from "effect";

/** Further files of a directory, by their names. */
export type FilesBeside = Readonly<Record<string, string>>;

/**
 * Loads texts as the configuration of a program, each as a file in a directory of its own.
 *
 * @param file its name
 */
export const loaderOfTexts = <Config>(
  file: string,
  loadConfig: (file: string) => Effect.Effect<Config, ConfigError, FileSystem.FileSystem | Path.Path>,
) => {
  /** What is made of a text, or what is wrong with it: there its directory is left out. */
  const load = (text: string, beside: FilesBeside = {}) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const directory = yield* fs.makeTempDirectoryScoped({ prefix: "allium-config-" });
      for (const [name, content] of Object.entries({ ...beside, [file]: text }))
        yield* fs.writeFileString(`${directory}/${name}`, content);
      return yield* loadConfig(`${directory}/${file}`).pipe(
        Effect.map((config) => ({ config, directory })),
        Effect.mapError((error) => error.message.replaceAll(`${directory}/`, "")),
      );
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer));

  /** What is wrong with a text: a line for each mistake. */
  const mistakes = (text: string, beside: FilesBeside = {}) =>
    Effect.map(Effect.flip(load(text, beside)), (message) => (typeof message === "string" ? message.split("\n") : []));

  return { load, mistakes };
};
