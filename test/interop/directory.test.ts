import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layerEntropy, NodeTransport } from "@allium/channel";
import {
  CertType,
  Ed25519KeyPair,
  generateRsaIdentity,
  type RsaKeyPair,
  rsaIdentityDigest,
  signEd25519Certificate,
  X25519KeyPair,
} from "@allium/crypto";
import {
  DescriptorSource,
  DirectoryMirror,
  DirectoryReactor,
  DirectoryServer,
  DirectoryView,
  layerAuthoritySources,
  layerDirectory,
  layerDirectoryMirror,
  layerDirectoryServer,
  layerDocumentWorker,
  type OwnDocuments,
  type Publication,
  parseAuthorities,
} from "@allium/directory";
import {
  ExitPolicy,
  encodeHex,
  PortPolicy,
  Protocols,
  parseConsensus,
  type RelayIdentityKeys,
  writeExtraInfo,
  writeRouterDescriptor,
} from "@allium/netdoc";
import { NodeFileSystem } from "@effect/platform-node";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { Effect, Layer, Logger, ManagedRuntime, Option, References, Schedule, Stream } from "effect";
import { TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

/** A relay that answers nobody: authorities accept its descriptor all the same. */
const describeRelay = (rsaIdentity: RsaKeyPair, tap: RsaKeyPair) => {
  const random = (): Buffer => Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
  const master = Ed25519KeyPair.fromSeed(random());
  const signingKey = Ed25519KeyPair.fromSeed(random());
  const ntor = X25519KeyPair.fromSecret(random());
  const day = 86_400_000;
  return (published: number): OwnDocuments => {
    const identity: RelayIdentityKeys = {
      rsaIdentity,
      signingKey,
      signingCertificate: signEd25519Certificate(
        {
          certType: CertType.IdentityVerifiesSigning,
          certifiedKey: signingKey.publicKey,
          expiresAt: published + 30 * day,
          includeSigningKey: true,
        },
        master,
      ),
    };
    const extraInfo = writeExtraInfo(
      {
        nickname: "silent",
        published,
        histories: {},
        rateLimitOverload: undefined,
        outOfFilesAt: undefined,
        statistics: [],
      },
      identity,
    );
    const descriptor = writeRouterDescriptor({
      identity,
      onionKeys: { ntor, tap, expiresAt: published + 28 * day },
      description: {
        nickname: "silent",
        address: "127.0.0.1",
        orPort: 9,
        dirPort: 0,
        orAddresses: [],
        bandwidth: { average: 1_000_000, burst: 1_000_000, observed: 1_000_000 },
        platform: "Allium on Node",
        published,
        uptime: 0,
        hibernating: false,
        protocols:
          Protocols.parse(
            "Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=2 Link=4-5 LinkAuth=3 Microdesc=2 Relay=2-4",
          ) ?? Protocols.none,
        contact: undefined,
        family: [],
        policy: ExitPolicy.ofOptions({ rules: ["reject *:*"], ipv6: false, rejectPrivate: true }),
        ipv6Policy: PortPolicy.rejectAll,
        extraInfo: { sha1: extraInfo.sha1, sha256: extraInfo.sha256 },
        cachesExtraInfo: false,
        hiddenServiceDir: false,
        tunnelledDirServer: true,
        overloadedAt: undefined,
      },
    });
    return { descriptor: descriptor.text, extraInfo: extraInfo.text };
  };
};

/** Waits until something holds. */
const poll = (holds: () => boolean) =>
  Effect.sync(holds).pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("120 seconds"),
  );

const isAccepted = (publication: Publication | undefined): publication is Publication =>
  publication !== undefined && [...publication.uploads.values()].every(({ _tag }) => _tag === "Accepted");

const isRefused = (publication: Publication | undefined): publication is Publication =>
  publication !== undefined && [...publication.uploads.values()].every(({ _tag }) => _tag === "Refused");

describeWithTor("the directory reactor and the authorities of tor", () => {
  let network: TorNetwork;
  let directory: string;
  let runtime: ManagedRuntime.ManagedRuntime<
    DirectoryReactor | DirectoryView | DirectoryServer | DirectoryMirror,
    unknown
  >;
  const logged: Array<string> = [];
  /** How far the relay's clock is ahead of the authorities', in milliseconds. */
  let ahead = 0;

  /** The first element of a stream that fits, within the time that a test may take. */
  const firstOf = <A, B extends A>(stream: Stream.Stream<A>, fits: (a: A) => a is B): Promise<B> =>
    runtime.runPromise(
      stream.pipe(Stream.filter(fits), Stream.runHead, Effect.timeout("120 seconds"), Effect.map(Option.getOrThrow)),
    );

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "allium-directory-"));
    const [rsaIdentity, tap] = await Promise.all([generateRsaIdentity(), generateRsaIdentity()]);
    const build = describeRelay(rsaIdentity, tap);
    network = await TorNetwork.start({
      relays: 1,
      exits: 0,
      clients: 0,
      dirCaches: false,
      voting: { interval: 10, voteDelay: 2, distDelay: 2 },
      // Started beside the authorities: some are not there when the reactor asks first, and none has a consensus.
      beside: async ({ authorityLines }) => {
        const source = DescriptorSource.of({
          fingerprint: encodeHex(rsaIdentityDigest(rsaIdentity.publicKey)),
          build: (now) => Effect.sync(() => build(now + ahead)),
        });
        const authorities = parseAuthorities(authorityLines);
        const trusted = authorities.map(({ v3Identity }) => v3Identity);
        const config = { trusted, dataDirectory: directory, testNetwork: true };
        const reactor = layerDirectory({ ...config, publishTo: authorities });
        const mirror = layerDirectoryMirror({ ...config, extraInfo: true });
        const platform = Layer.mergeAll(
          NodeTransport.layer,
          layerEntropy,
          NodeFileSystem.layer,
          layerDocumentWorker,
          Logger.layer([Logger.make(({ message }) => logged.push(String(message)))]),
          Layer.succeed(References.MinimumLogLevel, "Debug"),
        );
        runtime = ManagedRuntime.make(
          layerDirectoryServer().pipe(
            Layer.provideMerge(mirror),
            Layer.provideMerge(reactor),
            Layer.provide(layerAuthoritySources(authorities)),
            Layer.provideMerge(platform),
          ),
        );
        await runtime.runPromise(
          Effect.gen(function* () {
            const { fetcher, publisher, publish } = yield* DirectoryReactor;
            yield* Effect.forkDetach(fetcher.run);
            yield* Effect.forkDetach((yield* DirectoryMirror).mirror.run);
            yield* Effect.forkDetach(Effect.provideService(publisher.run, DescriptorSource, source));
            yield* publish("the test begins");
          }),
        );
      },
    });
  });

  afterAll(async () => {
    await runtime?.dispose();
    await network?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const theView = () => runtime.runPromise(DirectoryView);
  const theReactor = () => runtime.runPromise(DirectoryReactor);

  it("has its descriptor accepted by every authority, although it asked before they were up", async () => {
    const { publications } = await theReactor();
    const publication = await firstOf(publications, isAccepted);
    assert.strictEqual(publication.uploads.size, 3);
    assert.strictEqual(publication.reason, "the test begins");
  });

  it("verifies a consensus and has every microdescriptor of it, and the next one in its time", async () => {
    const { changes } = await theView();
    const complete = await firstOf(
      changes,
      (snapshot): snapshot is typeof snapshot =>
        (snapshot.consensus?.routers.length ?? 0) === 4 && snapshot.missingMicrodescriptors === 0,
    );
    const nicknames = complete.consensus?.routers.map(({ nickname }) => nickname).sort();
    assert.deepStrictEqual(nicknames, ["authority0", "authority1", "authority2", "relay0"]);
    assert.strictEqual(complete.params.raw("cc_alg"), 2);
    const first = complete.consensus?.lifetime.validAfter ?? 0;
    const next = await firstOf(
      changes,
      (snapshot): snapshot is typeof snapshot => (snapshot.consensus?.lifetime.validAfter ?? 0) > first,
    );
    assert.isTrue((next.consensus?.lifetime.validAfter ?? 0) >= first + 10_000);
  });

  it("stores what it has for its owner alone", async () => {
    const { current } = await theView();
    const isStored = (): boolean => {
      const held = current().held?.text;
      return held !== undefined && readFileSync(join(directory, "cached-microdesc-consensus")).equals(held);
    };
    await runtime.runPromise(poll(isStored));
    for (const name of ["cached-microdesc-consensus", "cached-certs", "cached-microdescs"])
      assert.strictEqual(statSync(join(directory, name)).mode & 0o777, 0o600);
  });

  it("hands the consensus on to whoever asks over a stream", async () => {
    const text = await runtime.runPromise(
      Effect.gen(function* () {
        const server = yield* DirectoryServer;
        const { connection } = yield* server.open();
        connection.write(Buffer.from("GET /tor/status-vote/current/consensus-microdesc HTTP/1.0\r\n\r\n"));
        const parts: Array<Buffer> = [];
        while (connection.status === "open" || connection.readable > 0) {
          for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) parts.push(bytes);
          yield* Effect.sleep("5 millis");
        }
        return Buffer.concat(parts).toString("latin1");
      }),
    );
    const [head = "", body = ""] = text.split("\r\n\r\n");
    assert.isTrue(head.startsWith("HTTP/1.0 200 OK\r\n"));
    assert.strictEqual(parseConsensus(body).flavor, "microdesc");
  });

  it("has the ns consensus, and everybody's descriptor and extra-info document", async () => {
    const { consensus, descriptors } = await runtime.runPromise(DirectoryMirror);
    const has = (count: number): boolean =>
      consensus("ns") !== undefined &&
      [...descriptors.routers()].length >= count &&
      [...descriptors.extraInfos()].length >= count;
    await runtime.runPromise(poll(() => has(4)));
    const { routers } = parseConsensus(consensus("ns")?.text ?? "").assumeVerified();
    for (const { descriptorDigest } of routers) assert.isDefined(descriptors.router(descriptorDigest));
  });

  it("takes the authorities' diffs from one consensus to the next", async () => {
    await runtime.runPromise(poll(() => logged.some((line) => line.startsWith("a diff of "))));
    assert.deepStrictEqual(
      logged.filter((line) => line.includes("wrong-")),
      [],
    );
  });

  it("is understood by tor in zlib and gzip, which it prefers to no other encoding", async () => {
    const used = new Set<string>();
    const { open } = await runtime.runPromise(DirectoryServer);
    // Relays that are no caches ask over HTTP, in clear, until they have a consensus: so one can ask the server in this process,
    // and be made to take what it would not choose: a consensus in zlib, and certificates in gzip.
    const port = await network.ports.take();
    const bridge = createServer((socket) => {
      void runtime.runPromise(open()).then(({ connection }) => {
        socket.on("data", (bytes) => {
          const asked = bytes.toString("latin1").replace(".z HTTP/", " HTTP/");
          const encoding = asked.includes("/consensus") ? "deflate" : "gzip";
          connection.write(
            Buffer.from(asked.replace(/^Accept-Encoding: .*$/m, `Accept-Encoding: ${encoding}`), "latin1"),
          );
        });
        const pump = (): void => {
          for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) {
            const [, chosen] = /^Content-Encoding: (\S+)$/m.exec(bytes.toString("latin1")) ?? [];
            if (chosen !== undefined) used.add(chosen);
            socket.write(bytes);
          }
          if (connection.status !== "open") socket.end();
        };
        connection.onChange(pump);
        socket.on("error", () => connection.destroy());
        socket.on("close", () => connection.destroy());
      });
    }).listen(port, "127.0.0.1");
    try {
      const relay = await network.addRelay({
        nickname: "reader",
        cutOff: true,
        extraTorrc: [
          ["UseDefaultFallbackDirs", 0],
          ["FallbackDir", `127.0.0.1:${port} orport=${port} id=${"A".repeat(40)}`],
          ["UseMicrodescriptors", 0],
        ],
      });
      const log = (): string => readFileSync(relay.logFile, "utf8");
      // It says so as soon as it believes a consensus.
      await runtime.runPromise(poll(() => log().includes("We need more descriptors")));
      assert.isTrue(used.has("deflate") && used.has("gzip"), [...used].join());
      assert.notMatch(log(), /ompress/);
    } finally {
      bridge.close();
    }
  });

  it("tells why authorities refuse a descriptor", async () => {
    const { publications, publish } = await theReactor();
    ahead = 48 * 3_600_000;
    await runtime.runPromise(publish("the clock was set"));
    const refused = await firstOf(publications, isRefused);
    assert.strictEqual(refused.reason, "the clock was set");
    for (const outcome of refused.uploads.values()) {
      assert.strictEqual(outcome._tag === "Refused" && outcome.status, 400);
      assert.include(outcome._tag === "Refused" ? outcome.text : "", "Your clock is set too far in the future");
    }
  });
});
