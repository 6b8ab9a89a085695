import { type Endpoint, formatEndpoint, type TransportError } from "@allium/channel";
import { Effect, FiberSet, type Scope } from "effect";
import { ConnectError } from "../errors.ts";
import { type DnsAnswer, type DnsQuery, readDnsQuery, writeDnsAnswer, writeDnsFailure } from "../proxy/index.ts";
import { TorClient, type TorClientService } from "../tor-client.ts";
import { faultOf } from "./application.ts";
import { Datagrams } from "./datagrams.ts";
import { type IsolationFlags, isolationKey } from "./isolation.ts";
import { DNS_QUERY_TIMEOUT, MAX_DNS_QUERIES } from "./limits.ts";
import { makeWarnings } from "./warnings.ts";

/** What a DNS port is configured with. */
export interface DnsServerConfig {
  readonly listen: Endpoint;
  /** @default those of {@link IsolationFlags} */
  readonly isolation?: IsolationFlags;
  /** Questions that are under way at once; further ones are answered with SERVFAIL. @default MAX_DNS_QUERIES */
  readonly maxQueries?: number;
}

/** A DNS port that is open. */
export interface DnsServer {
  readonly endpoint: Endpoint;
  /** Questions that are under way. */
  readonly queries: () => number;
}

/** Answers questions of DNS over UDP by asking exits, until the scope closes (torrc `DNSPort`). */
export const makeDnsServer = (
  config: DnsServerConfig,
): Effect.Effect<DnsServer, TransportError, Datagrams | TorClient | Scope.Scope> =>
  Effect.gen(function* () {
    const datagrams = yield* Datagrams;
    const client = yield* TorClient;
    const warn = yield* makeWarnings;
    const fork = yield* FiberSet.makeRuntime<never, void, never>();
    const maxQueries = config.maxQueries ?? MAX_DNS_QUERIES;
    /** Questions under way, by who asks and what: whoever asks again waits for the same answer. */
    const asked = new Set<string>();

    const onMessage = (message: Buffer, from: Endpoint): void => {
      const event = readDnsQuery(message);
      switch (event._tag) {
        case "Ignored":
          return warn("dns", faultOf(event.error));
        case "Answered":
          warn("dns", faultOf(event.error));
          return port.send(event.bytes, from);
        case "Query": {
          const key = `${formatEndpoint(from)} ${event.asked.toString("latin1")}`;
          if (asked.has(key)) return;
          if (asked.size >= maxQueries) {
            warn("queries");
            return port.send(writeDnsFailure(event, "resource-limit"), from);
          }
          asked.add(key);
          fork(
            answer(client, event, isolationOf(event, from)).pipe(
              Effect.map((bytes) => port.send(bytes, from)),
              Effect.ensuring(Effect.sync(() => asked.delete(key))),
            ),
          );
        }
      }
    };
    const isolationOf = (query: DnsQuery, { host }: Endpoint): string =>
      isolationKey(
        {
          listener: "dns",
          client: host,
          isolation: query.isolation,
          destination: query.destination.address,
          port: 0,
        },
        config.isolation ?? {},
      );
    const port = yield* datagrams.bind(config.listen, onMessage);
    return { endpoint: port.endpoint, queries: () => asked.size };
  });

/** The message that answers a question, in bounded time. */
const answer = (client: TorClientService, query: DnsQuery, isolation: string): Effect.Effect<Buffer> =>
  lookUp(client, query, isolation).pipe(
    Effect.map((answers) =>
      answers.length === 0 ? writeDnsFailure(query, "no-answer") : writeDnsAnswer(query, answers),
    ),
    Effect.timeoutOrElse({
      duration: DNS_QUERY_TIMEOUT,
      orElse: () => Effect.fail(new ConnectError({ failure: "timeout" })),
    }),
    Effect.catch(({ failure }) => Effect.succeed(writeDnsFailure(query, failure))),
  );

const lookUp = (
  client: TorClientService,
  { kind, destination, family }: DnsQuery,
  isolation: string,
): Effect.Effect<ReadonlyArray<DnsAnswer>, ConnectError> =>
  kind === "resolve"
    ? Effect.map(client.resolve(destination.address, { isolation, family }), (found) =>
        found.map(({ value, ttl }) => ({ answer: value, ttl })),
      )
    : Effect.map(client.reverse(destination.address, { isolation }), (found) =>
        found.map(({ value, ttl }) => ({ answer: { family: "name", address: value } as const, ttl })),
      );
