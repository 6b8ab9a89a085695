import { formatEndpoint, Transport } from "@allium/channel";
import { Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import {
  type DirectoryConfig,
  type DirectoryFetchProblem,
  type DirectoryOutcome,
  DirectorySources,
  type DirectoryWish,
  NoDirectorySource,
} from "../../src/index.ts";
import { type Electorate, pretendNetwork } from "./network.ts";
import { type Behaviour, PretendedDirectory, type SeenRequest } from "./pretended-directory.ts";

/** What a cache does with a connection: answers, refuses it, or lets it wait for ever. */
export type CacheBehaviour = ((request: SeenRequest) => Behaviour) | "refuses" | "hangs";

/** Caches that a client may ask, given out in their order, and what the client said of them. */
export class Caches {
  readonly directories: ReadonlyArray<PretendedDirectory>;
  readonly behaviours: Array<CacheBehaviour>;
  readonly wishes: Array<DirectoryWish> = [];
  readonly reports: Array<readonly [name: string, outcome: DirectoryOutcome]> = [];
  /** How many connections were asked for. */
  connects = 0;
  /** What is said to whoever wants one, in place of a cache. */
  none: NoDirectorySource | undefined;

  constructor(behaviours: ReadonlyArray<CacheBehaviour>) {
    this.behaviours = [...behaviours];
    this.directories = behaviours.map((_, index) => {
      const directory = new PretendedDirectory({ host: `198.51.100.${index + 1}`, port: 9030 });
      directory.respond = (request) => (this.behaviours[index] as (request: SeenRequest) => Behaviour)(request);
      return directory;
    });
  }

  /** What was reported, in short: the tag, and what the problem was. */
  get summary(): ReadonlyArray<readonly [name: string, outcome: DirectoryOutcome["_tag"] | DirectoryFetchProblem]> {
    return this.reports.map(([name, outcome]) => [
      name,
      outcome._tag === "Failed" ? outcome.error.problem : outcome._tag,
    ]);
  }

  get layer(): Layer.Layer<DirectorySources, never, Transport> {
    return Layer.effect(
      DirectorySources,
      Effect.gen({ self: this }, function* () {
        const transport = yield* Transport;
        return DirectorySources.of({
          draw: (wish) =>
            Effect.suspend(() => {
              this.wishes.push(wish);
              if (this.none !== undefined) return Effect.fail(this.none);
              const asked = wish.except.map(({ address }) => address);
              const index = this.directories.findIndex(({ endpoint }) => !asked.includes(formatEndpoint(endpoint)));
              const directory = this.directories[index];
              if (directory === undefined) return Effect.fail(new NoDirectorySource({ detail: "all were asked" }));
              const name = `cache${index}`;
              return Effect.succeed({
                name,
                address: formatEndpoint(directory.endpoint),
                connect: Effect.suspend(() => {
                  this.connects++;
                  if (this.behaviours[index] === "hangs") return Effect.never;
                  return transport.connect(directory.endpoint, { tls: false });
                }),
                report: (outcome) => void this.reports.push([name, outcome]),
              });
            }),
        });
      }),
    );
  }
}

/** A client among caches that behave so, of which none is an authority. */
export const clientAmong = Effect.fnUntraced(function* (
  electorate: Electorate,
  behaviours: ReadonlyArray<CacheBehaviour>,
  options: Partial<DirectoryConfig> & { readonly now: number },
) {
  const { now, ...config } = options;
  yield* TestClock.setTime(now);
  const network = yield* pretendNetwork;
  const caches = new Caches(behaviours);
  for (const [index, directory] of caches.directories.entries())
    if (behaviours[index] !== "refuses") yield* directory.listen(network.memory.host(directory.endpoint.host));
  const start = network.start({
    role: "client",
    authorities: network.authorities(electorate.identities),
    sources: caches.layer,
    ...config,
  });
  return { network, caches, start };
});
