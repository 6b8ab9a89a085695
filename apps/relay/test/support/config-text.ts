import { NodeServices } from "@effect/platform-node";
import { Effect, FileSystem } from "effect";
import { loadConfig } from "../../src/config/load.ts";

/** A line that names an authority. */
export const authorityLine = (digit: string, port = 7000): string =>
  `DirAuthority auth${digit} orport=5000 no-v2 v3ident=${digit.repeat(40)} 127.0.0.1:${port} ${digit.repeat(39)}A`;

/** The least that a relay can be run with, in lines 1 to 5. */
export const minimal = `nickname = "Zwiebel"
data_dir = "data"
or_port = "127.0.0.1:9101"
test_network = true
authorities = ["${authorityLine("1")}"]
`;

/** Loads a text as the file `relay.toml` of a directory of its own; `beside` holds further files of that directory. */
export const load = (text: string, beside: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "allium-config-" });
    for (const [name, content] of Object.entries({ ...beside, "relay.toml": text }))
      yield* fs.writeFileString(`${directory}/${name}`, content);
    const file = `${directory}/relay.toml`;
    return yield* loadConfig(file).pipe(
      Effect.map((config) => ({ config, directory })),
      Effect.mapError((error) => error.message.replaceAll(`${directory}/`, "")),
    );
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer));

/** What is wrong with a text: a line for each mistake. */
export const mistakes = (text: string, beside: Readonly<Record<string, string>> = {}) =>
  Effect.map(Effect.flip(load(text, beside)), (message) => (typeof message === "string" ? message.split("\n") : []));
