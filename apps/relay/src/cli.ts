import { layerEntropy } from "@allium/channel";
import { checkConfigCommand, configFlag, UsageError } from "@allium/cli";
import {
  ed25519Text,
  fingerprintLine,
  fingerprintOf,
  type KeyDirectoryOptions,
  KeyStore,
  type KeyStoreError,
  layerKeyStore,
  newSigningKey,
  type PublicIdentity,
  publicIdentity,
  readIdentity,
} from "@allium/relay";
import { Console, Effect, Option, Path } from "effect";
import { Command, Flag, GlobalFlag } from "effect/cli";
import { loadConfig } from "./config/load.ts";
import { summarize } from "./config/summary.ts";
import { KeysRefused } from "./errors.ts";
import { run } from "./run.ts";

const configOrDirectory = {
  config: Flag.optional(configFlag),
  dataDir: Flag.String("data-dir").pipe(
    Flag.withMetavar("DIRECTORY"),
    Flag.withDescription("The data directory itself, instead of a configuration that names it"),
    Flag.optional,
  ),
};

/** Where the keys are, and the relay's name if that is known. */
const findKeys = Effect.fnUntraced(function* (flags: {
  readonly config: Option.Option<string>;
  readonly dataDir: Option.Option<string>;
}) {
  const owner = process.getuid?.();
  if (Option.isSome(flags.config) === Option.isSome(flags.dataDir))
    return yield* new UsageError({ detail: "give either --config FILE or --data-dir DIRECTORY" });
  if (Option.isSome(flags.config)) {
    const { relay } = yield* loadConfig(flags.config.value);
    return { nickname: relay.nickname, directory: { dataDir: relay.dataDir, owner } };
  }
  const paths = yield* Path.Path;
  const dataDir = paths.resolve(Option.getOrElse(flags.dataDir, () => ""));
  return { nickname: undefined, directory: { dataDir, owner } };
});

/** The same as `fingerprintLine` for the other identity. */
const ed25519Line = (identity: Pick<PublicIdentity, "ed25519Identity">): string => `ed25519 ${ed25519Text(identity)}`;

/** The line of `tor`'s fingerprint file, and the same for the other identity. */
const fingerprintLines = (nickname: string | undefined, identity: PublicIdentity): string => {
  const line = nickname === undefined ? fingerprintOf(identity) : fingerprintLine(nickname, identity);
  return `${line}\n${ed25519Line(identity)}`;
};

const refuseKeys = Effect.mapError((cause: KeyStoreError) => new KeysRefused({ cause }));

const runCommand = Command.make("run", { config: configFlag }, (flags) =>
  Effect.gen(function* () {
    const loaded = yield* Effect.interruptible(loadConfig(flags.config));
    yield* run(loaded, yield* GlobalFlag.LogLevel);
  }),
).pipe(
  Command.withDescription(
    "Run the relay in the foreground until SIGINT (Ctrl-C) or SIGTERM. After SIGINT it accepts nothing new, and waits up to " +
      "shutdown_wait seconds for its circuits to end; SIGTERM, or a second signal, ends them now. SIGHUP reads the configuration " +
      "again. Keys are made at the first start. It logs to standard error.",
  ),
  Command.withShortDescription("Run the relay"),
  Command.withExamples([{ command: "allium-relay run --config relay.toml" }]),
);

const signingKeyFlags = {
  newSigningKey: Flag.Boolean("new-signing-key").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Make a new signing key and its certificate, with the identity that is there"),
  ),
  masterKey: Flag.String("master-key").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("The same, with the identity in this file (ed25519_master_id_secret_key), kept elsewhere"),
    Flag.optional,
  ),
  lifetimeDays: Flag.Int("lifetime-days").pipe(
    Flag.withMetavar("DAYS"),
    Flag.withDescription("How long the certificate of the new signing key holds (30 if it is not said)"),
    Flag.optional,
  ),
};

const maxLifetimeDays = 3_650;
const millisPerDay = 86_400_000;

/** Makes a signing key for a relay whose identity is here, or in a file, and not where it runs. */
const makeSigningKey = Effect.fnUntraced(function* (
  directory: KeyDirectoryOptions,
  masterKey: Option.Option<string>,
  lifetimeDays: Option.Option<number>,
) {
  const days = Option.getOrUndefined(lifetimeDays);
  if (days !== undefined && (days < 1 || days > maxLifetimeDays))
    return yield* new UsageError({ detail: `--lifetime-days: expected 1 to ${maxLifetimeDays}, got ${days}` });
  const paths = yield* Path.Path;
  const { identity, expiresAt } = yield* newSigningKey({
    ...directory,
    masterKeyFile: Option.getOrUndefined(Option.map(masterKey, (file) => paths.resolve(file))),
    lifetimeMillis: days === undefined ? undefined : days * millisPerDay,
  }).pipe(refuseKeys);
  yield* Console.error(
    `a new signing key is in ${directory.dataDir}/keys, with a certificate until ${isoTime(expiresAt)}`,
  );
  yield* Console.log(ed25519Line({ ed25519Identity: identity }));
});

const isoTime = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z");

const keygen = Command.make("keygen", { ...configOrDirectory, ...signingKeyFlags }, (flags) =>
  Effect.gen(function* () {
    const { nickname, directory } = yield* findKeys(flags);
    const { masterKey, lifetimeDays } = flags;
    if (flags.newSigningKey || Option.isSome(masterKey))
      return yield* makeSigningKey(directory, masterKey, lifetimeDays);
    if (Option.isSome(lifetimeDays))
      return yield* new UsageError({ detail: "--lifetime-days needs --new-signing-key or --master-key FILE" });
    const before = yield* Effect.option(readIdentity(directory));
    const store = yield* KeyStore.pipe(Effect.provide(layerKeyStore(directory)), refuseKeys);
    yield* Console.error(
      `${Option.isSome(before) ? "there were keys already" : "new keys are"} in ${directory.dataDir}/keys`,
    );
    yield* Console.log(fingerprintLines(nickname, publicIdentity(store.current())));
  }).pipe(Effect.provide(layerEntropy), Effect.interruptible),
).pipe(
  Command.withDescription(
    "Make the keys of a relay, if there are none yet, and print its fingerprints. Keys that are there are never replaced. " +
      "Not needed before `run`, which does the same.\n\n" +
      "With --new-signing-key, make a new signing key and its certificate, for a relay whose identity is kept offline: run it " +
      "where the identity is, and copy keys/ed25519_signing_secret_key and keys/ed25519_signing_cert to the relay.",
  ),
  Command.withShortDescription("Make the relay's keys"),
  Command.withExamples([
    { command: "allium-relay keygen --config relay.toml" },
    { command: "allium-relay keygen --data-dir /var/lib/allium" },
    { command: "allium-relay keygen --data-dir safe --new-signing-key --lifetime-days 60" },
  ]),
);

const fingerprint = Command.make("fingerprint", configOrDirectory, (flags) =>
  Effect.gen(function* () {
    const { nickname, directory } = yield* findKeys(flags);
    const identity = yield* refuseKeys(readIdentity(directory));
    yield* Console.log(fingerprintLines(nickname, identity));
  }).pipe(Effect.provide(layerEntropy), Effect.interruptible),
).pipe(
  Command.withDescription(
    "Print who the relay is: its nickname and its fingerprint as in tor's fingerprint file, then its Ed25519 identity in base64. " +
      "Reads the keys, and changes nothing.",
  ),
  Command.withShortDescription("Print the relay's fingerprints"),
  Command.withExamples([{ command: "allium-relay fingerprint --config relay.toml" }]),
);

const checkConfig = checkConfigCommand({
  example: "allium-relay check-config --config relay.toml",
  load: loadConfig,
  summarize,
});

/** The program's command line. */
export const command = Command.make("allium-relay").pipe(
  Command.withDescription(
    "A Tor relay. Write a configuration (relay.example.toml is one to begin with), check it with check-config, and run it.\n\n" +
      "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, 4 keys missing, damaged or unsafe.",
  ),
  Command.withSubcommands([runCommand, keygen, fingerprint, checkConfig]),
);
