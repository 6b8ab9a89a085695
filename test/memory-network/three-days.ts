import { Entropy } from "@allium/channel";
import type { ClientEvent, TorClientService, TorStream } from "@allium/client";
import { Clock, Context, Effect, Layer, Stream } from "effect";
import { TestClock } from "effect/testing";
import { readBytes } from "../../packages/circuit/test/support/application.ts";
import { echo, type MemoryRelay, MemoryTorNetwork, startClient, type Trace, whileTimePasses } from "./index.ts";

const MINUTE = 60_000;
const DAYS = 3;

/** Whose streams are kept apart, and where they lead to: the exits see who it is by the name. */
const USERS = ["alice", "bob", "carol", ""] as const;
const DOMAINS = ["example.com", "example.org", "example.net"] as const;

/** What happens to relays, so that circuits of all kinds fail. */
const MISFORTUNES = ["is killed", "stops", "hangs", "is slow", "is not listed"] as const;

/** What came of it. */
export interface ThreeDays {
  /** Everything, with its time. */
  readonly trace: string;
  readonly summary: {
    readonly streams: number;
    readonly failures: ReadonlyArray<string>;
    /** How long whoever waited longest has waited, in milliseconds. */
    readonly longest: number;
    /** Tunnels that there were, and why they ended, without names. */
    readonly tunnels: number;
    readonly ends: Readonly<Record<string, number>>;
    /** Circuits that the network has a few seconds after the client has gone. */
    readonly left: number;
    /** Circuits on which an exit has seen more than one user. */
    readonly shared: number;
  };
}

/** A client that is used for three days, now and then, in a network whose relays come and go. Everything is drawn from the seed. */
export const threeDays = (seed: string): Effect.Effect<ThreeDays> =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({ seed });
    for (const [index, domain] of DOMAINS.entries()) {
      const address = `93.184.216.${index + 1}`;
      yield* network.internet.serve(domain, address, 80, echo);
      for (const user of USERS) network.internet.names.setAddresses(`${user}.${domain}`, [address]);
    }
    const used = yield* Effect.scoped(useFor(network));
    // Whatever was the matter with a relay when the story ended: it hears of the client's end now.
    for (const relay of network.relays) relay.stall(false);
    yield* TestClock.adjust("10 seconds");
    const left = network.relays.reduce((sum, { openCircuits }) => sum + openCircuits, 0);
    return { trace: network.trace.text, summary: { ...used, left, shared: sharedCircuits(network) } };
  }).pipe(Effect.scoped);

const useFor = (network: MemoryTorNetwork.MemoryTorNetwork) =>
  Effect.gen(function* () {
    const { below } = Context.get(yield* Layer.build(network.entropy("story")), Entropy);
    const client = yield* startClient(network);
    const told = yield* tell(client, network.trace);
    yield* whileTimePasses(Effect.orDie(client.ready));
    yield* Effect.forkScoped(misfortunes(network, below));
    const end = (yield* Clock.currentTimeMillis) + DAYS * 24 * 60 * MINUTE;
    const failures: Array<string> = [];
    let streams = 0;
    let longest = 0;
    while ((yield* Clock.currentTimeMillis) < end) {
      yield* TestClock.adjust((1 + below(40)) * MINUTE);
      const isolation = USERS[below(USERS.length)] as string;
      const domain = DOMAINS[below(DOMAINS.length)] as string;
      const host = isolation === "" ? domain : `${isolation}.${domain}`;
      const began = yield* Clock.currentTimeMillis;
      const failure = yield* visit(client, host, isolation).pipe(
        Effect.match({ onFailure: ({ message }) => message, onSuccess: () => undefined }),
        whileTimePasses,
      );
      const took = Math.round((yield* Clock.currentTimeMillis) - began);
      longest = Math.max(longest, took);
      if (failure === undefined) streams++;
      else failures.push(failure);
      network.trace.note("user", `${host}: ${failure ?? "answered"} after ${took} ms`);
    }
    return { streams, failures, longest, ...told };
  });

/** Opens a stream, and has some bytes echoed. */
const visit = (client: TorClientService, host: string, isolation: string) =>
  Effect.acquireUseRelease(
    client.open({ host, port: 80 }, { isolation }),
    ({ connection }: TorStream) =>
      Effect.gen(function* () {
        connection.write(Buffer.alloc(2_000, host));
        const bytes = yield* readBytes(connection, 2_000);
        if (bytes.length < 2_000) return yield* Effect.fail(connection.failure ?? new Error("cut short"));
      }),
    ({ connection }) => Effect.sync(() => connection.destroy()),
  );

const sharedCircuits = ({ relays }: MemoryTorNetwork.MemoryTorNetwork): number =>
  relays
    .flatMap(({ streams }) => [...Map.groupBy(streams, ({ circuit }) => circuit).values()])
    .filter((streams) => new Set(streams.map(({ target }) => userOf(target))).size > 1).length;

const userOf = (target: string): string => USERS.find((user) => user !== "" && target.startsWith(`${user}.`)) ?? "";

/** Puts into the trace what the client tells, and counts. */
const tell = (client: TorClientService, trace: Trace) =>
  Effect.gen(function* () {
    const told = { tunnels: 0, ends: {} as Record<string, number> };
    const seen = new Set<number>();
    const note = (event: ClientEvent): void => {
      if (event._tag === "Bootstrap") {
        const { phase, waitsFor, trouble } = event.status;
        return trace.note("client", `${phase}, ${waitsFor}${trouble === undefined ? "" : `: ${trouble.detail}`}`);
      }
      const { id, purpose, state, legs, streams } = event.tunnel;
      const path = legs.map(({ hops }) => hops.map(({ nickname }) => nickname).join(" ")).join(" | ");
      if (!seen.has(id)) told.tunnels++;
      seen.add(id);
      const why = event._tag === "TunnelEnded" ? `, ended: ${event.why}` : "";
      if (event._tag === "TunnelEnded") {
        const cause = event.why.replace(/^(hop \d) \(.*?\): (.*?)( at .*)?$/, "$1: $2");
        told.ends[cause] = (told.ends[cause] ?? 0) + 1;
      }
      trace.note("client", `tunnel ${id} (${purpose}) ${state}, ${streams} streams, ${path}${why}`);
    };
    yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => Effect.sync(() => note(event))));
    return told;
  });

/** Every few hours something happens to a relay, and some time later it is as before. */
const misfortunes = (network: MemoryTorNetwork.MemoryTorNetwork, below: (limit: number) => number) =>
  Effect.gen(function* () {
    const relays = network.relays.filter(({ nickname }) => !nickname.startsWith("auth"));
    for (;;) {
      yield* Effect.sleep((30 + below(150)) * MINUTE);
      const relay = relays[below(relays.length)] as MemoryRelay;
      const what = MISFORTUNES[below(MISFORTUNES.length)] as (typeof MISFORTUNES)[number];
      network.trace.note("fate", `${relay.nickname} ${what}`);
      const recover = yield* befall(network, relay, what);
      yield* Effect.sleep((5 + below(120)) * MINUTE);
      network.trace.note("fate", `${relay.nickname} recovers`);
      yield* recover;
    }
  });

/** Returns what makes it good. */
const befall = (
  network: MemoryTorNetwork.MemoryTorNetwork,
  relay: MemoryRelay,
  what: (typeof MISFORTUNES)[number],
): Effect.Effect<Effect.Effect<void>> => {
  switch (what) {
    case "is killed":
      return Effect.as(relay.kill, relay.start);
    case "stops":
      return Effect.as(relay.stop, relay.start);
    case "hangs":
      return Effect.sync(() => {
        relay.stall(true);
        return Effect.sync(() => relay.stall(false));
      });
    case "is slow":
      return Effect.sync(() => {
        for (const other of network.relays)
          network.lines.setLine(relay.address, other.address, { latency: "4 seconds" });
        return Effect.sync(() => {
          for (const other of network.relays)
            network.lines.setLine(relay.address, other.address, { latency: "5 millis" });
        });
      });
    case "is not listed":
      return Effect.sync(() => {
        const takeBack = network.amend((draft) => {
          draft.relays = draft.relays.filter(({ nickname }) => nickname !== relay.nickname);
        });
        return Effect.sync(takeBack);
      });
  }
};
