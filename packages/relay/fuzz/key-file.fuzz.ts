import { Ed25519KeyPair, X25519KeyPair } from "@allium/crypto";
import { Redacted } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { KeyFileError } from "../src/index.ts";
import {
  readEd25519Identity,
  readOnionKeys,
  readRsaKey,
  readSigningKey,
  writeEd25519Identity,
  writeOnionKeys,
} from "../src/keys/key-files.ts";

const readers: ReadonlyArray<(text: Redacted.Redacted<string>) => unknown> = [
  (text) => readEd25519Identity("file", text),
  (text) => readOnionKeys("file", text),
  (text) => readSigningKey("file", text, Buffer.alloc(32)),
  (text) => readRsaKey("file", text),
];

const onionKey = (random: Random) => ({
  key: X25519KeyPair.fromSecret(random.bytes(32)),
  createdAt: random.uint32() * 1_000,
});

/** A file that is right, or nearly. */
const keyFile = (random: Random): string => {
  const text = Redacted.value(
    random.oneIn(2)
      ? writeEd25519Identity(Ed25519KeyPair.fromSeed(random.bytes(32)))
      : writeOnionKeys({
          current: onionKey(random),
          previous: random.oneIn(2) ? onionKey(random) : undefined,
        }),
  );
  return random.mutate(Buffer.from(text)).toString("utf8");
};

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "relay: key files",
    run: (random) => {
      const text = Redacted.make(keyFile(random));
      for (const read of readers) {
        try {
          read(text);
        } catch (error) {
          if (!(error instanceof KeyFileError)) throw error;
        }
      }
    },
  },
];
