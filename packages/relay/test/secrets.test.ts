import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, Layer, Logger, LogLevel, References } from "effect";
import { TestClock } from "effect/testing";
import { transportOf } from "./support/hosts.ts";
import { platform, RELAY, startTestRelay } from "./support/test-relay.ts";

const CLIENT = "198.51.100.77";

/** Everything below a directory, itself among it. */
const everythingBelow = (directory: string): ReadonlyArray<string> => [
  directory,
  ...readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name)),
];

/** What of a secret must not be seen: its bytes in any writing, piece by piece. */
const tracesOf = (file: Buffer): ReadonlyArray<string> => {
  const text = file.toString("latin1");
  if (text.startsWith("-----BEGIN")) return text.split("\n").filter((line) => /^[A-Za-z0-9+/=]{16,}$/.test(line));
  // Behind the 32 bytes that say what it is. Inspected buffers are written byte by byte.
  const secret = file.subarray(file.length > 64 ? 32 : 0, (file.length > 64 ? 32 : 0) + 15);
  return [secret.toString("hex"), secret.toString("base64"), secret.toString("hex").replace(/..(?=.)/g, "$& ")];
};

describe("a relay keeps to itself", () => {
  it.effect("what it writes, and what must not be in its log", () => {
    const lines: Array<readonly [level: LogLevel.LogLevel, text: string]> = [];
    const logger = Logger.make((entry) => {
      const options = { depth: 20, maxStringLength: null, maxArrayLength: null };
      lines.push([entry.logLevel, inspect([entry.message, entry.cause], options)]);
    });
    return Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const { network, relay, config } = yield* startTestRelay({ metrics: { listen: { host: RELAY, port: 9035 } } });
      const secrets = (): ReadonlyArray<Buffer> =>
        readdirSync(join(config.dataDir, "keys"))
          .filter((name) => name.includes("secret"))
          .map((name) => readFileSync(join(config.dataDir, "keys", name)));
      const before = secrets();
      const client = yield* transportOf(network, CLIENT);
      // A client that talks nonsense, one that says nothing, and one that is refused.
      const connections = yield* Effect.forEach([1, 2], () =>
        client.connect({ host: RELAY, port: 9001 }, { tls: true }),
      );
      connections[0]!.write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
      yield* Effect.exit(client.connect({ host: RELAY, port: 9035 }, { tls: false }));
      yield* TestClock.adjust("1 minute");
      // Files that are read again, and are not what they should be.
      yield* relay.reload({ ...config, contact: "somebody else" });
      for (const name of ["ed25519_signing_secret_key", "ed25519_signing_cert"]) {
        const path = join(config.dataDir, "keys", name);
        yield* fs.writeFile(
          path,
          (yield* fs.readFile(path)).map((byte, index) => (index === 40 ? byte ^ 1 : byte)),
        );
      }
      yield* TestClock.adjust("2 hours");
      yield* relay.reload(config);

      const all = [...before, ...secrets()].flatMap(tracesOf);
      assert.isAbove(all.length, 15);
      assert.isAbove(lines.length, 10);
      for (const [, text] of lines) for (const trace of all) assert.notInclude(text, trace);
      const told = lines.filter(([level]) => LogLevel.isGreaterThanOrEqualTo(level, "Info"));
      assert.isTrue(lines.some(([, text]) => text.includes("channel not opened")));
      for (const [, text] of told) assert.notInclude(text, CLIENT);

      for (const path of everythingBelow(config.dataDir)) {
        const { mode } = statSync(path);
        assert.strictEqual(mode & 0o777, statSync(path).isDirectory() ? 0o700 : 0o600, path);
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.mergeAll(platform, Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")),
      ),
    );
  });
});
