import { layerEntropySeeded } from "@allium/channel";
import { NodeServices } from "@effect/platform-node";
import { Effect, FileSystem, Layer } from "effect";
import { KeyStore, type KeyStoreError, layerKeyStore } from "../../../src/index.ts";

/** The user that runs the tests, and so owns what they write. */
export const self = process.getuid?.();

/** Real files, and chance that repeats itself. */
export const platform = Layer.merge(NodeServices.layer, layerEntropySeeded("keys"));

/** A data directory of its own, which goes with the scope. */
export const dataDirectory = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.makeTempDirectoryScoped({ prefix: "allium-keys-" });
});

/** Opens the store below a data directory, as a start of the relay does. */
export const start = (
  dataDir: string,
  owner: number | undefined = self,
): Effect.Effect<KeyStore["Service"], KeyStoreError, Layer.Success<typeof platform>> =>
  KeyStore.pipe(Effect.provide(layerKeyStore({ dataDir, owner }), { local: true }));
