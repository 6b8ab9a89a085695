import { deflateSync } from "node:zlib";
import { type Entropy, layerEntropySeeded, MemoryNetwork, type Transport } from "@allium/channel";
import { Supervisor, TaskPolicy } from "@allium/kernel";
import { Context, Effect, Layer, type Scope } from "effect";
import { TestClock } from "effect/testing";
import {
  type Authority,
  DescriptorNotReady,
  DescriptorSource,
  type DirectoryConfig,
  DirectoryReactor,
  type DirectorySources,
  DirectoryView,
  layerAuthoritySources,
  layerDirectory,
  layerDocumentWorkerInline,
  type OwnDocuments,
} from "../../src/index.ts";
import { AuthorityKeys } from "./authority-keys.ts";
import { microdescriptorDigest, type PretendedRelay, torDocument, writeConsensus } from "./documents.ts";
import { Logs } from "./logs.ts";
import { MemoryFiles } from "./memory-files.ts";
import { answer, type Behaviour, notFound, PretendedDirectory, type SeenRequest } from "./pretended-directory.ts";

const year = 365 * 86_400_000;

/** Where the reactor runs. */
export const relayHost = "192.0.2.200";

/** Everything around a directory reactor: three pretended authorities, a disk, a log. */
export class PretendedNetwork {
  readonly memory: MemoryNetwork.MemoryNetwork;
  readonly directories = [1, 2, 3].map((n) => new PretendedDirectory({ host: `192.0.2.${n}`, port: 80 }));
  readonly files = new MemoryFiles();
  readonly logs = new Logs();

  constructor(memory: MemoryNetwork.MemoryNetwork) {
    this.memory = memory;
  }

  /** What all directories answer from now on. */
  everywhere(respond: PretendedDirectory["respond"]): void {
    for (const directory of this.directories) directory.respond = respond;
  }

  /** All requests that arrived, in their order. */
  requests(prefix = "/"): ReadonlyArray<SeenRequest> {
    return this.directories
      .flatMap(({ requests }) => requests)
      .filter(({ target }) => target.startsWith(prefix))
      .sort((one, other) => one.at - other.at);
  }

  /** The authorities as a relay is configured with them. */
  authorities(identities: ReadonlyArray<string>): ReadonlyArray<Authority> {
    return identities.map((v3Identity, index) => {
      const directory = this.directories[index] as PretendedDirectory;
      return {
        name: `auth${index}`,
        v3Identity,
        relayIdentity: v3Identity,
        download: directory.endpoint,
        upload: directory.endpoint,
        orPort: undefined,
        ipv6: undefined,
      };
    });
  }

  /** Starts the listening directories. */
  listen(which: ReadonlyArray<PretendedDirectory> = this.directories) {
    return Effect.forEach(which, (directory) => directory.listen(this.memory.host(directory.endpoint.host)), {
      discard: true,
    });
  }

  /** A directory reactor, whose two parts run until the scope closes. */
  start(
    {
      authorities,
      sources = layerAuthoritySources(authorities),
      ...config
    }: Partial<DirectoryConfig> & {
      readonly authorities: ReadonlyArray<Authority>;
      /** Who is asked. @default the authorities */
      readonly sources?: Layer.Layer<DirectorySources, never, Transport | Entropy>;
    },
    source?: DescriptorSource["Service"],
  ): Effect.Effect<
    { readonly reactor: DirectoryReactor["Service"]; readonly view: DirectoryView["Service"] },
    never,
    Scope.Scope
  > {
    const trusted = authorities.map(({ v3Identity }) => v3Identity);
    const platform = Layer.mergeAll(this.memory.host(relayHost), layerEntropySeeded("directory"));
    const directory = { dataDirectory: "/data", testNetwork: false, trusted, publishTo: authorities, ...config };
    const layer = layerDirectory(directory).pipe(
      Layer.provide([platform, sources.pipe(Layer.provide(platform)), this.files.layer, layerDocumentWorkerInline]),
      Layer.provideMerge(this.logs.layer),
    );
    return Effect.gen(function* () {
      const context = yield* Layer.build(layer);
      const reactor = Context.get(context, DirectoryReactor);
      const view = Context.get(context, DirectoryView);
      yield* Effect.gen(function* () {
        const supervisor = yield* Supervisor.make({ name: "relay" });
        yield* Effect.orDie(supervisor.start(reactor.fetcher, TaskPolicy.fatal));
        if (source === undefined) return;
        const publisher = supervisor.start(reactor.publisher, TaskPolicy.fatal);
        yield* Effect.orDie(Effect.provideService(publisher, DescriptorSource, source));
      }).pipe(Effect.provideContext(context));
      return { reactor, view };
    });
  }
}

/** A network whose lines take a millisecond. */
export const pretendNetwork: Effect.Effect<PretendedNetwork, never, Scope.Scope> = Effect.map(
  MemoryNetwork.make({ latency: "1 millis" }),
  (memory) => new PretendedNetwork(memory),
);

/** A network whose directories listen from this time on and all answer so, and a reactor to which these are the authorities. */
export const startAmong = (now: number, identities: ReadonlyArray<string>, respond: PretendedDirectory["respond"]) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(now);
    const network = yield* pretendNetwork;
    network.everywhere(respond);
    yield* network.listen();
    const { view } = yield* network.start({ authorities: network.authorities(identities) });
    return { network, view };
  });

/** Answers with the documents that a real network of `tor` daemons had, as its authorities pack them. */
export const torAuthority = ({ target }: SeenRequest): Behaviour => {
  const packed = (name: string) => answer(deflateSync(torDocument(name)), { headers: "Content-Encoding: deflate\r\n" });
  if (target.startsWith("/tor/status-vote/current/consensus-microdesc/")) return packed("consensus-microdesc");
  if (target.startsWith("/tor/keys/fp-sk/")) return packed("certificates");
  return target.startsWith("/tor/micro/d/") ? packed("microdescriptors") : notFound;
};

/** Three authorities that know what a test lets them know. */
export class Electorate {
  readonly keys = ["auth0", "auth1", "auth2"].map((nickname) => new AuthorityKeys(nickname));
  /** The consensus that they have; undefined if there was none yet. */
  consensus: Buffer | undefined;
  /** By authority and signing key, as requests name them. */
  readonly #certificates = new Map<string, string>();
  readonly microdescriptors = new Map<string, string>();

  get identities(): ReadonlyArray<string> {
    return this.keys.map(({ identity }) => identity);
  }

  /** All certificates. */
  get certificates(): string {
    return [...this.#certificates.values()].join("");
  }

  /** Makes the authorities agree on a consensus. */
  agree(options: {
    readonly validAfter: number;
    readonly intervalMillis: number;
    readonly relays: ReadonlyArray<PretendedRelay>;
    readonly signers?: ReadonlyArray<AuthorityKeys>;
    readonly params?: string;
  }): void {
    const { validAfter } = options;
    for (const keys of this.keys) {
      const certificate = keys.certificate(validAfter - 1000, validAfter + year);
      this.#certificates.set(`${keys.identity}-${keys.signingKeyDigest}`, certificate);
    }
    this.consensus = writeConsensus({ signers: this.keys, ...options });
    for (const { microdescriptor } of options.relays)
      this.microdescriptors.set(microdescriptorDigest(microdescriptor), microdescriptor);
  }

  /** What an honest authority answers. */
  readonly respond = ({ target, method }: SeenRequest): Behaviour => {
    if (method === "POST") return answer("", { status: "200 Server descriptor accepted" });
    if (target.startsWith("/tor/status-vote/current/consensus-microdesc/"))
      return this.consensus === undefined ? notFound : answer(this.consensus);
    if (target.startsWith("/tor/keys/fp-sk/")) {
      const names = target.slice("/tor/keys/fp-sk/".length).split("+");
      const certificates = names.map((name) => this.#certificates.get(name) ?? "").join("");
      return certificates === "" ? notFound : answer(certificates);
    }
    const digests = /^\/tor\/micro\/d\/(.*)$/.exec(target)?.[1]?.split("-") ?? [];
    const found = digests.map((digest) => this.microdescriptors.get(digest) ?? "").join("");
    return found === "" ? notFound : answer(found);
  };
}

/** A source of documents that tell when they were made; it is not ready until it is told to be. */
export class PretendedSource {
  readonly builds: Array<number> = [];
  ready = true;
  readonly fingerprint: string;

  constructor(fingerprint = "A".repeat(40)) {
    this.fingerprint = fingerprint;
  }

  get service(): DescriptorSource["Service"] {
    return DescriptorSource.of({
      fingerprint: this.fingerprint,
      build: (now) =>
        Effect.suspend((): Effect.Effect<OwnDocuments, DescriptorNotReady> => {
          if (!this.ready) return Effect.fail(new DescriptorNotReady({ reason: "no address yet" }));
          this.builds.push(now);
          return Effect.succeed({ descriptor: `router ${now}\n`, extraInfo: `extra-info ${now}\n` });
        }),
    });
  }
}
