import { type Connection, layerEntropySeeded, MemoryNetwork } from "@allium/channel";
import { parseAuthorities } from "@allium/directory";
import { Metrics, Topology } from "@allium/kernel";
import { NodeServices } from "@effect/platform-node";
import { Effect, FileSystem, Layer } from "effect";
import { TestClock } from "effect/testing";
import {
  defaultBandwidth,
  defaultConflux,
  defaultDirectory,
  defaultDos,
  defaultExit,
  defaultLimits,
  type RelayConfig,
  startRelay,
} from "../../src/index.ts";
import { transportOf } from "./hosts.ts";

/** Where the relay of these tests is, and the only authority of its network. */
export const RELAY = "198.51.100.1";
export const AUTHORITY = { host: "198.51.100.50", port: 7000 };

const authorities = parseAuthorities(
  `DirAuthority auth orport=5000 v3ident=${"1".repeat(40)} ${AUTHORITY.host}:${AUTHORITY.port} ${"A".repeat(40)}`,
);

/** An authority that takes every descriptor, and knows nothing. */
const startAuthority = (network: MemoryNetwork.MemoryNetwork) =>
  Effect.gen(function* () {
    const descriptors: Array<string> = [];
    const serve = (connection: Connection): void => {
      let text = "";
      connection.onChange(() => {
        for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) {
          text += chunk.toString("latin1");
        }
        const head = text.indexOf("\r\n\r\n");
        const length = Number(/^Content-Length: (\d+)/im.exec(text)?.[1] ?? 0);
        if (head < 0 || text.length < head + 4 + length || connection.status !== "open") return;
        if (text.startsWith("POST")) descriptors.push(text.slice(head + 4));
        connection.write(Buffer.from(`HTTP/1.0 ${text.startsWith("POST") ? "200 OK" : "404 Not found"}\r\n\r\n`));
        connection.end();
      });
    };
    const transport = yield* transportOf(network, AUTHORITY.host);
    yield* transport.listen(AUTHORITY, { onConnection: serve });
    return descriptors;
  });

/** A relay on a network in memory, with its keys on disk, and all that its authority was told. */
export const startTestRelay = (change: Partial<RelayConfig> = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const network = yield* MemoryNetwork.make();
    const descriptors = yield* startAuthority(network);
    const config: RelayConfig = {
      nickname: "Zwiebel",
      contact: "before@example.org",
      dataDir: yield* fs.makeTempDirectoryScoped({ prefix: "allium-relay-" }),
      orPort: { host: RELAY, port: 9001 },
      advertised: { host: RELAY, port: 9001 },
      testNetwork: true,
      authorities,
      family: [],
      bandwidth: defaultBandwidth,
      exit: defaultExit,
      directory: defaultDirectory,
      conflux: defaultConflux,
      limits: defaultLimits,
      dos: defaultDos,
      ...change,
    };
    const relay = yield* startRelay(config).pipe(Effect.provide(network.host(RELAY)));
    return { relay, network, descriptors, config };
  });

/** Real files, chance that repeats itself, and figures and topology of its own. */
export const platform = Layer.mergeAll(NodeServices.layer, layerEntropySeeded("relay"), Metrics.layer, Topology.layer);

/** Lets so much time pass that a new descriptor is published. */
export const untilPublished = TestClock.adjust("15 seconds");
