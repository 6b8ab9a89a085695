import type { Connection } from "@allium/channel";
import {
  type ConsensusFlavor,
  consensusSignedDigest,
  parseAuthorityCertificates,
  parseConsensus,
  parseMicrodescriptors,
  parseSignedExtraInfos,
  parseSignedRouters,
} from "@allium/netdoc";
import { assert } from "@effect/vitest";
import { Context, Effect, Layer, Stream } from "effect";
import { TestClock } from "effect/testing";
import { eventLoopTurn } from "../../../../test/support/event-loop.ts";
import { Holdings } from "../../src/download/holdings.ts";
import {
  DirectoryMirror,
  DirectoryReactor,
  DirectoryServer,
  type DirectoryServerConfig,
  DirectoryView,
  layerDirectoryServer,
  layerDocumentWorkerInline,
  type OwnDocuments,
  ServedConsensus,
} from "../../src/index.ts";
import { ConsensusArchive } from "../../src/mirror/archive.ts";
import { DescriptorStore } from "../../src/mirror/descriptor-store.ts";
import { torDocument, torValidAfter } from "./documents.ts";
import { MemoryFiles } from "./memory-files.ts";

export const certificates = parseAuthorityCertificates(torDocument("certificates")).documents;
export const microdescriptors = parseMicrodescriptors(torDocument("microdescriptors")).documents;
export const routers = parseSignedRouters(torDocument("router-descriptors")).documents;
export const extraInfos = parseSignedExtraInfos(torDocument("extra-infos")).documents;
export const identities = certificates.map(({ identity }) => identity);
export const consensusText = torDocument("consensus-microdesc");
export const nsText = torDocument("consensus-ns");
export const own: OwnDocuments = { descriptor: "router allium\n", extraInfo: "extra-info allium\n" };

/** What a relay holds that has fetched everything. */
export const fullHoldings = (): Holdings => {
  const holdings = new Holdings(identities);
  holdings.acceptCertificates(certificates, torValidAfter);
  const offered = holdings.offer(parseConsensus(consensusText), consensusText);
  holdings.acceptConsensus(offered, torValidAfter);
  holdings.acceptMicrodescriptors(microdescriptors, new Set(holdings.missingMicrodescriptors()));
  return holdings;
};

/** The descriptors of all relays of the `ns` consensus. */
export const fullStore = (): DescriptorStore => {
  const store = new DescriptorStore({ extraInfo: true });
  store.list(parseConsensus(nsText).assumeVerified().routers, torValidAfter, torValidAfter);
  store.acceptRouters(routers, new Set(store.missingRouters()), torValidAfter);
  store.acceptExtraInfos(extraInfos, new Set(store.missingExtraInfos()));
  return store;
};

export interface Setup {
  readonly holdings?: Holdings;
  readonly store?: DescriptorStore;
  readonly own?: OwnDocuments | undefined;
  readonly config?: DirectoryServerConfig;
  readonly now?: number;
  /** Consensuses from which diffs can be made. */
  readonly earlier?: ReadonlyArray<{ readonly flavor: ConsensusFlavor; readonly text: Buffer }>;
  readonly files?: MemoryFiles;
  readonly maxPreparedBytes?: number;
}

/** A directory server with all that a mirror has. */
export const serverOf = Effect.fnUntraced(function* (setup: Setup = {}) {
  yield* TestClock.setTime(setup.now ?? torValidAfter);
  const holdings = setup.holdings ?? fullHoldings();
  const store = setup.store ?? fullStore();
  const files = setup.files ?? new MemoryFiles();
  const platform = yield* Layer.build(Layer.merge(files.layer, layerDocumentWorkerInline));
  const archive = new ConsensusArchive("/data/earlier");
  for (const { flavor, text } of setup.earlier ?? [])
    yield* archive.add(flavor, torValidAfter, consensusSignedDigest(text), text).pipe(Effect.provideContext(platform));
  const preparation = {
    archive,
    fork: (effect: Parameters<ConstructorParameters<typeof ServedConsensus>[1]["fork"]>[0]) =>
      Effect.asVoid(Effect.forkDetach(Effect.provideContext(effect, platform))),
    ...(setup.maxPreparedBytes === undefined ? {} : { maxBytes: setup.maxPreparedBytes }),
  };
  const serve = (flavor: ConsensusFlavor, text: Buffer): ServedConsensus => {
    const { lifetime, signatures } = parseConsensus(text);
    const signers = signatures.map(({ authority }) => authority);
    return new ServedConsensus(
      { flavor, text, lifetime, signers, signedDigest: consensusSignedDigest(text) },
      preparation,
    );
  };
  const served = {
    microdesc: holdings.snapshot.held === undefined ? undefined : serve("microdesc", holdings.snapshot.held.text),
    ns: holdings.snapshot.held === undefined ? undefined : serve("ns", nsText),
  };
  const publication =
    "own" in setup && setup.own === undefined
      ? undefined
      : { documents: setup.own ?? own, at: 0, reason: "", uploads: new Map() };
  const context = yield* Layer.build(
    layerDirectoryServer(setup.config).pipe(
      Layer.provide([
        Layer.succeed(DirectoryView, { current: () => holdings.snapshot, changes: Stream.empty }),
        Layer.succeed(DirectoryMirror, {
          mirror: undefined as never,
          consensus: (flavor) => served[flavor],
          descriptors: store,
        }),
        Layer.succeed(DirectoryReactor, {
          fetcher: undefined as never,
          activity: undefined as never,
          activities: Stream.empty,
          retryNow: Effect.void,
          publisher: undefined as never,
          publish: () => Effect.void,
          publication: () => publication,
          publications: Stream.empty,
        }),
      ]),
    ),
  );
  return Context.get(context, DirectoryServer);
});

/** All bytes that come until the stream ends. */
const readAll = Effect.fnUntraced(function* (connection: Connection) {
  const parts: Array<Buffer> = [];
  while (connection.status === "open" || connection.readable > 0) {
    for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) parts.push(bytes);
    yield* eventLoopTurn;
  }
  return Buffer.concat(parts);
});

export interface Response {
  readonly status: string;
  readonly head: string;
  readonly body: Buffer;
}

/** Sends a request, and reads the answer. */
export const request = Effect.fnUntraced(function* (
  server: DirectoryServer["Service"],
  text: string,
  address?: string,
) {
  const { connection, connected } = yield* server.open(address === undefined ? {} : { address });
  assert.deepStrictEqual(connected, { _tag: "CONNECTED", resolved: undefined });
  connection.write(Buffer.from(text, "latin1"));
  const bytes = yield* readAll(connection);
  const end = bytes.indexOf("\r\n\r\n");
  const head = bytes.toString("latin1", 0, end);
  return { status: head.split("\r\n")[0] ?? "", head, body: bytes.subarray(end + 4) } satisfies Response;
});

/** A request for a target. */
export const get = (server: DirectoryServer["Service"], target: string, headers = "") =>
  request(server, `GET ${target} HTTP/1.0\r\n${headers}\r\n`);
