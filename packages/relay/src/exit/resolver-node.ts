import * as dns from "node:dns";
import { parseIp, reverseName } from "@allium/cell";
import { Data, Effect, FileSystem, Layer, type PlatformError } from "effect";
import { QUERY_ATTEMPTS, QUERY_TIMEOUT_MILLIS } from "./limits.ts";
import { nameServersOf } from "./resolv-conf.ts";
import { ResolveError, Resolver } from "./resolver.ts";

/** Which name servers are asked, and how patiently. */
export interface NodeResolverOptions {
  /**
   * In the order in which they are asked: addresses, `address:port`, or `[address]:port` for IPv6.
   * @default those of the system's resolv.conf
   */
  readonly nameServers?: ReadonlyArray<string>;
  /** How long a name server may take to answer the first attempt. @default QUERY_TIMEOUT_MILLIS */
  readonly timeoutMillis?: number;
  /** How often each is asked. @default QUERY_ATTEMPTS */
  readonly attempts?: number;
}

/** The file that should name the name servers cannot be read, or names none. */
export class NameServersError extends Data.TaggedError("NameServersError")<{
  readonly path: string;
  /** Absent if the file could be read. */
  readonly cause?: PlatformError.PlatformError;
}> {
  override get message(): string {
    return this.cause === undefined ? `${this.path} names no name server` : this.cause.message;
  }
}

/** What means that there is no such name, or nothing of that type. Anything else may be over the next time. */
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

type Done<A> = (cause: NodeJS.ErrnoException | null, value: A) => void;

/** One question. The platform cannot give up a single one: its answer is passed over if nobody waits any more. */
const ask = <A>(query: string, start: (done: Done<A>) => void): Effect.Effect<A, ResolveError> =>
  Effect.callback((resume) => {
    start((cause, value) => {
      resume(cause === null ? Effect.succeed(value) : Effect.fail(resolveError(query, cause.code ?? "UNKNOWN")));
    });
  });

const serviceOf = (current: () => dns.Resolver): Resolver["Service"] => ({
  resolve: (name, family) =>
    Effect.gen(function* () {
      const resolver = current();
      const records = yield* ask<Array<dns.RecordWithTtl>>(name, (done) =>
        family === 4 ? resolver.resolve4(name, { ttl: true }, done) : resolver.resolve6(name, { ttl: true }, done),
      );
      const [first, ...rest] = records.flatMap(({ address }) => parseIp(address) ?? []);
      if (first === undefined) return yield* resolveError(name, dns.NODATA);
      return { addresses: [first, ...rest] as const, ttl: Math.min(...records.map(({ ttl }) => ttl)) };
    }),
  reverse: (address) =>
    Effect.gen(function* () {
      const query = reverseName(address);
      const resolver = current();
      // Not `reverse`, which asks the hosts file first.
      const [name] = yield* ask<Array<string>>(query, (done) => resolver.resolvePtr(query, done));
      if (name === undefined || name === "") return yield* resolveError(query, dns.NODATA);
      // The platform does not tell the time to live of a PTR record.
      return { name, ttl: undefined };
    }),
});

const channelOf = ({ timeoutMillis, attempts, nameServers }: NodeResolverOptions): dns.Resolver => {
  const resolver = new dns.Resolver({
    timeout: timeoutMillis ?? QUERY_TIMEOUT_MILLIS,
    tries: attempts ?? QUERY_ATTEMPTS,
  });
  if (nameServers !== undefined) resolver.setServers(nameServers);
  return resolver;
};

const makeResolver = (options: () => NodeResolverOptions) =>
  Effect.gen(function* () {
    const asText = (): string => JSON.stringify(options());
    let text = asText();
    let current = channelOf(options());
    // Those who asked before a change still wait for their answers there.
    let previous: dns.Resolver | undefined;
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        previous?.cancel();
        current.cancel();
      }),
    );
    return serviceOf(() => {
      const now = asText();
      if (now !== text) {
        text = now;
        previous?.cancel();
        previous = current;
        current = channelOf(options());
      }
      return current;
    });
  });

/** The live resolver: c-ares, which asks the name servers itself, without the platform's threads. */
export const layer = (options: NodeResolverOptions = {}): Layer.Layer<Resolver> => layerChanging(() => options);

/** {@link layer} with options that may change while it is in use; they are looked at for each question. */
export const layerChanging = (options: () => NodeResolverOptions): Layer.Layer<Resolver> =>
  Layer.effect(Resolver, makeResolver(options));

/** The name servers of a file in the format of resolv.conf(5). */
export const readNameServers = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  const text = yield* fs.readFileString(path).pipe(Effect.mapError((cause) => new NameServersError({ path, cause })));
  const nameServers = nameServersOf(text);
  if (nameServers.length === 0) return yield* new NameServersError({ path });
  return nameServers;
});

/** {@link layer} with the name servers of a file in the format of resolv.conf(5), which is read once. */
export const layerResolvConf = (
  path: string,
  options: Omit<NodeResolverOptions, "nameServers"> = {},
): Layer.Layer<Resolver, NameServersError, FileSystem.FileSystem> =>
  Layer.effect(
    Resolver,
    Effect.flatMap(readNameServers(path), (nameServers) => makeResolver(() => ({ ...options, nameServers }))),
  );
