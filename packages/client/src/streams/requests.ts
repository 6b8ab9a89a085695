import { type Destination, type IpAddress, parseIp, type Resolved, reverseName } from "@allium/cell";
import { ExitPolicy } from "@allium/netdoc";
import { Effect } from "effect";
import { ConnectError } from "../errors.ts";
import { DestinationError, readDestination } from "../proxy/index.ts";
import type { ResolvedName, StreamOptions, Target, TorStream } from "../tor-client.ts";
import { type Attached, type Attachment, type AttachParts, attach } from "./attach.ts";
import type { StreamRoom } from "./room.ts";
import { beginOf, needOf } from "./wish.ts";

/** What streams and look-ups stand on. */
export interface StreamsParts extends AttachParts {
  /** Whether addresses of private networks are refused. */
  readonly rejectPrivate: boolean;
  readonly room: StreamRoom;
  /** A port was asked for. */
  readonly onPort: (port: number) => void;
}

/** Opens a stream. */
export const openStream = (
  parts: StreamsParts,
  { host, port }: Target,
  { isolation = "", family = "any" }: StreamOptions = {},
): Effect.Effect<TorStream, ConnectError> =>
  Effect.gen(function* () {
    const destination = yield* readTarget(host);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return yield* new ConnectError({ failure: "port" });
    yield* refusePrivate(parts, destination);
    parts.onPort(port);
    const { answer, tunnel } = yield* attachCounted(parts, {
      destination: `${destination.address}:${port}`,
      needs: [needOf(destination, port, family)],
      isolation,
      ask: (circuit) => circuit.open(beginOf(destination, port, family)),
    });
    const { connection, connected } = answer;
    const address = connected.resolved?.address;
    // An exit must not lead an application into the network of this computer by its answer (ClientDNSRejectInternalAddresses).
    if (address !== undefined)
      yield* Effect.onError(refusePrivate(parts, address), () => Effect.sync(() => connection.destroy()));
    return { connection, address, tunnel: tunnel.id };
  });

/** Has a name looked up. */
export const resolveName = (
  parts: StreamsParts,
  name: string,
  { isolation = "", family = "any" }: StreamOptions = {},
): Effect.Effect<ReadonlyArray<ResolvedName<IpAddress>>, ConnectError> =>
  Effect.gen(function* () {
    const destination = yield* readTarget(name);
    if (destination.family !== "name") return [{ value: destination, ttl: 0 }];
    yield* refusePrivate(parts, destination);
    const { answers } = yield* lookUp(parts, destination, isolation);
    const found = answers.flatMap((answer) =>
      answer._tag === "ADDRESS" ? [{ value: answer.address, ttl: answer.ttl }] : [],
    );
    const wanted = found.filter(({ value }) =>
      family === "ipv4-only" ? value.family === 4 : family === "ipv6-only" ? value.family === 6 : true,
    );
    const allowed = wanted.filter(({ value }) => !isRefused(parts, value));
    if (allowed.length > 0) return family === "ipv6-preferred" ? ipv6First(allowed) : allowed;
    return yield* new ConnectError(
      wanted.length > 0 ? { failure: "private-address" } : { failure: "no-answer", detail: "there is no such address" },
    );
  });

/** Has the names of an address looked up. */
export const reverseAddress = (
  parts: StreamsParts,
  text: string,
  { isolation = "" }: StreamOptions = {},
): Effect.Effect<ReadonlyArray<ResolvedName<string>>, ConnectError> =>
  Effect.gen(function* () {
    const address = parseIp(text);
    if (address === undefined) return yield* new ConnectError({ failure: "destination", detail: "not an address" });
    yield* refusePrivate(parts, address);
    const { answers } = yield* lookUp(parts, { family: "name", address: reverseName(address) }, isolation);
    const names = answers.flatMap((answer) =>
      answer._tag === "HOSTNAME" ? [{ value: answer.name, ttl: answer.ttl }] : [],
    );
    if (names.length > 0) return names;
    return yield* new ConnectError({ failure: "no-answer", detail: "the address has no name" });
  });

const lookUp = (parts: StreamsParts, query: Destination, isolation: string): Effect.Effect<Resolved, ConnectError> =>
  Effect.map(
    attachCounted(parts, {
      destination: query.address,
      needs: [],
      isolation,
      ask: (circuit) => circuit.resolve({ _tag: "RESOLVE", query }),
      unsatisfied,
    }),
    ({ answer }) => answer,
  );

/** An exit that could not find out may be less lucky than another; one that says that there is nothing is believed. */
const unsatisfied = ({ answers }: Resolved): ConnectError | undefined => {
  const isFound = answers.some(({ _tag }) => _tag === "ADDRESS" || _tag === "HOSTNAME");
  const isTransient = answers.some((answer) => answer._tag === "ERROR" && answer.transient);
  return isFound || !isTransient ? undefined : new ConnectError({ failure: "no-answer" });
};

const readTarget = (host: string): Effect.Effect<Destination, ConnectError> =>
  Effect.try({
    try: () => readDestination(host, 0),
    catch: (thrown) => {
      if (!(thrown instanceof DestinationError)) throw thrown;
      return new ConnectError({ failure: thrown.failure, detail: thrown.message, cause: thrown });
    },
  });

/** Names that mean this computer, or its neighbours (RFC 6761, 6.3; RFC 6762): an exit would look for its own. */
const LOCAL_NAME = /(?:^|\.)localhost$|\.local$/;

const isRefused = ({ rejectPrivate }: StreamsParts, { family, address }: Destination): boolean =>
  rejectPrivate && (family === "name" ? LOCAL_NAME.test(address) : !ExitPolicy.acceptPublic.permits(address, 443));

const refusePrivate = (parts: StreamsParts, address: Destination): Effect.Effect<void, ConnectError> =>
  isRefused(parts, address) ? Effect.fail(new ConnectError({ failure: "private-address" })) : Effect.void;

/** Attaches a request, if there is room for another. */
const attachCounted = <A>(parts: StreamsParts, wanted: Attachment<A>): Effect.Effect<Attached<A>, ConnectError> =>
  Effect.suspend(() => {
    const { room } = parts;
    if (!room.enter())
      return Effect.fail(new ConnectError({ failure: "resource-limit", detail: `${room.max} streams are open` }));
    return Effect.ensuring(
      attach(parts, wanted),
      Effect.sync(() => room.leave()),
    );
  });

const ipv6First = <A extends { readonly value: IpAddress }>(found: ReadonlyArray<A>): ReadonlyArray<A> => [
  ...found.filter(({ value }) => value.family === 6),
  ...found.filter(({ value }) => value.family !== 6),
];
