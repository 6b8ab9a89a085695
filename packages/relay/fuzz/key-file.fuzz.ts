import { Ed25519ExpandedKey, X25519KeyPair } from "@allium/crypto";
import { Redacted } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { KeyFileError } from "../src/index.ts";
import {
  type KeyBytes,
  readEd25519Secret,
  readMasterPublic,
  readOnionKey,
  readRsaKey,
  readSigningCertificate,
  writeEd25519Secret,
  writeMasterPublic,
  writeOnionKey,
} from "../src/keys/key-files.ts";
import { writeTagged } from "../src/keys/tagged-file.ts";

const readers: ReadonlyArray<(file: KeyBytes) => unknown> = [
  (file) => readEd25519Secret("file", file, "type0"),
  (file) => readEd25519Secret("file", file, "type4"),
  (file) => readMasterPublic("file", file),
  (file) => readSigningCertificate("file", file),
  (file) => readOnionKey("file", file),
  (file) => readRsaKey("file", file),
];

const writers: ReadonlyArray<(random: Random) => KeyBytes> = [
  (random) => writeEd25519Secret(Ed25519ExpandedKey.fromSeed(random.bytes(32)), "type4"),
  (random) => writeMasterPublic(random.bytes(32)),
  (random) => writeOnionKey(X25519KeyPair.fromSecret(random.bytes(32))),
  (random) => Redacted.make(writeTagged("ed25519v1-cert", "type4", random.bytes(random.below(200)))),
];

/** A file that is right, or nearly. */
const keyFile = (random: Random): Buffer =>
  random.mutate(Redacted.value((writers[random.below(writers.length)] as (typeof writers)[number])(random)));

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "relay: key files",
    run: (random) => {
      const file = Redacted.make(Buffer.from(keyFile(random)));
      for (const read of readers) {
        try {
          read(file);
        } catch (error) {
          if (!(error instanceof KeyFileError)) throw error;
        }
      }
    },
  },
];
