import * as dns from "node:dns";
import { parseIp, reverseName } from "@allium/cell";
import { Effect, Layer } from "effect";
import { QUERY_ATTEMPTS, QUERY_TIMEOUT_MILLIS } from "./limits.ts";
import { ResolveError, Resolver } from "./resolver.ts";

/** Which name servers are asked, and how patiently. */
export interface NodeResolverOptions {
  /** Addresses, or `address:port` (`[address]:port` for IPv6). @default those of the system's resolv.conf */
  readonly nameServers?: ReadonlyArray<string>;
  /** @default QUERY_TIMEOUT_MILLIS */
  readonly timeoutMillis?: number;
  /** @default QUERY_ATTEMPTS */
  readonly attempts?: number;
}

/** What means that there is no such name, or nothing of that type; anything else may be over the next time. */
const PERMANENT: ReadonlySet<string> = new Set([
  dns.NOTFOUND,
  dns.NODATA,
  dns.FORMERR,
  dns.NOTIMP,
  dns.REFUSED,
  dns.BADNAME,
  dns.BADQUERY,
]);

const resolveError = (query: string, code: string): ResolveError =>
  new ResolveError({ query, code, transient: !PERMANENT.has(code) });

/** Runs one question of the platform; its answer is ignored once nobody waits for it. */
const ask = <A>(
  query: string,
  start: (done: (cause: NodeJS.ErrnoException | null, value: A) => void) => void,
): Effect.Effect<A, ResolveError> =>
  Effect.callback<A, ResolveError>((resume) => {
    const done = (cause: NodeJS.ErrnoException | null, value: A) => {
      resume(cause === null ? Effect.succeed(value) : Effect.fail(resolveError(query, cause.code ?? "UNKNOWN")));
    };
    try {
      start(done);
    } catch (cause) {
      done(cause as NodeJS.ErrnoException, undefined as never);
    }
  });

/** The name servers of a file in the format of resolv.conf(5), in its order. */
export const nameServersOf = (resolvConf: string): ReadonlyArray<string> =>
  [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].flatMap(([, address]) =>
    parseIp(address as string) === undefined ? [] : [address as string],
  );

/** The live resolver: c-ares, which asks the name servers itself, without the platform's threads. */
export const layer = (options: NodeResolverOptions = {}): Layer.Layer<Resolver> =>
  Layer.effect(
    Resolver,
    Effect.gen(function* () {
      const resolver = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new dns.Resolver({
              timeout: options.timeoutMillis ?? QUERY_TIMEOUT_MILLIS,
              tries: options.attempts ?? QUERY_ATTEMPTS,
            }),
        ),
        (open) => Effect.sync(() => open.cancel()),
      );
      if (options.nameServers !== undefined) resolver.setServers(options.nameServers);
      return Resolver.of({
        resolve: (name, family) =>
          ask<Array<dns.RecordWithTtl>>(name, (done) =>
            family === 4 ? resolver.resolve4(name, { ttl: true }, done) : resolver.resolve6(name, { ttl: true }, done),
          ).pipe(
            Effect.flatMap((records) => {
              const [first, ...rest] = records.flatMap(({ address }) => parseIp(address) ?? []);
              if (first === undefined) return Effect.fail(resolveError(name, dns.NODATA));
              const ttl = Math.min(...records.map((record) => record.ttl));
              return Effect.succeed({ addresses: [first, ...rest] as const, ttl });
            }),
          ),
        reverse: (address) => {
          const query = reverseName(address);
          return ask<Array<string>>(query, (done) => resolver.resolvePtr(query, done)).pipe(
            Effect.flatMap(([name]) =>
              name === undefined || name === ""
                ? Effect.fail(resolveError(query, dns.NODATA))
                : // The platform does not tell the time to live of a PTR record.
                  Effect.succeed({ name, ttl: undefined }),
            ),
          );
        },
      });
    }),
  );
