import { type Connection, type Entropy, layerEntropySeeded, MemoryNetwork, Transport } from "@allium/channel";
import { RESUMPTION_PROTOCOL } from "@allium/conflux";
import type { Authority } from "@allium/directory";
import { Topology } from "@allium/kernel";
import { ExitPolicy, encodeBase64 } from "@allium/netdoc";
import { Clock, Duration, Effect, type Layer, type Scope } from "effect";
import { TestClock } from "effect/testing";
import { AuthorityKeys } from "../../packages/directory/test/support/authority-keys.ts";
import { Random } from "../support/fuzz.ts";
import {
  type ConsensusDraft,
  type DraftRelay,
  RECOMMENDED_CLIENT_PROTOCOLS,
  RELAY_PROTOCOLS,
  REQUIRED_CLIENT_PROTOCOLS,
} from "./consensus-draft.ts";
import { type Answering, type DirectoryQuestion, makeDirectories } from "./directories.ts";
import { FIRST_OWN_KEY, RelayIdentity } from "./identity.ts";
import { type Internet, makeInternet } from "./internet.ts";
import { planAuthority, planRelays, type RelayCounts, type RelayOptions, type RelayPlan } from "./plan.ts";
import { type PublishedConsensus, Publisher } from "./publisher.ts";
import { MemoryRelay } from "./relay.ts";
import { rsaKey } from "./rsa-key.ts";
import { bytesOf } from "./seeded-bytes.ts";
import { Trace } from "./trace.ts";

/** How a network is varied. */
export interface MemoryTorNetworkOptions {
  /** From which all keys and all chance of its relays are made. @default "network" */
  readonly seed?: string;
  /** @default 4 guards, 4 middles, 3 exits */
  readonly relays?: ReadonlyArray<RelayOptions> | RelayCounts;
  /** @default 3 */
  readonly authorities?: number;
  /** How often there is a consensus: how long each is fresh, and a third of how long it is valid. @default 1 hour */
  readonly interval?: Duration.Input;
  /** The lines between all hosts. @default 5 ms, as many bytes as one likes */
  readonly line?: Partial<MemoryNetwork.Line>;
  /** When the network begins, in milliseconds since 1970; the test clock is set to it. @default 2027-01-01 00:00 */
  readonly start?: number;
  /** Whether relays say that they speak conflux. @default true */
  readonly conflux?: boolean;
  /** Whether exits offer, as Allium's can, that sets outlive the loss of a leg. @default false */
  readonly resumption?: boolean;
  /** Parameters of the consensus. */
  readonly params?: Readonly<Record<string, number>>;
}

/** A whole Tor network in one process, under `TestClock`. The same seed, and the same things done to it, give the same bytes. */
export interface MemoryTorNetwork {
  /** The authorities, for a client's configuration. They are relays too: see `relay("auth0")`. */
  readonly authorities: ReadonlyArray<Authority>;
  /** All relays, the authorities at the end. */
  readonly relays: ReadonlyArray<MemoryRelay>;
  /** The relay of this nickname, which must be there. */
  readonly relay: (nickname: string) => MemoryRelay;
  /** The relay with an address, if one has it. */
  readonly relayAt: (address: string) => MemoryRelay | undefined;
  /** A client's host. */
  readonly transport: (address?: string) => Layer.Layer<Transport>;
  /** Chance of this network, of its own for each label. */
  readonly entropy: (label: string) => Layer.Layer<Entropy>;
  /** The lines between hosts: slow, cut, stalled. */
  readonly lines: Pick<MemoryNetwork.MemoryNetwork, "setLine" | "cut" | "stall" | "connections">;
  /** Hosts behind the exits. */
  readonly internet: Internet;
  /** The newest consensus. */
  readonly consensus: () => PublishedConsensus;
  /** Changes all consensuses that are made from now on, before they are signed, until the function that is returned is called. */
  readonly amend: (change: (draft: ConsensusDraft) => void) => () => void;
  /** Makes a consensus now, which becomes valid at once. A later one comes when it is due. */
  readonly publish: Effect.Effect<void>;
  /** What the authorities would agree on now: to be written with `writeConsensus` and given to `pretend`. */
  readonly draft: () => ConsensusDraft;
  /** Has all directories serve this consensus, whatever it says, until the function that is returned is called. */
  readonly pretend: (consensus: Buffer) => () => void;
  /** Has directories answer something else, until the function that is returned is called. */
  readonly answering: (answer: Answering) => () => void;
  /** What directories were asked so far. */
  readonly questions: ReadonlyArray<DirectoryQuestion>;
  /** What has happened. */
  readonly trace: Trace;
}

/** Makes a network, until the scope closes. Sets the test clock. */
export const make = (options: MemoryTorNetworkOptions = {}): Effect.Effect<MemoryTorNetwork, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { seed = "network", start = DEFAULT_START } = options;
    const intervalMillis = Duration.toMillis(Duration.fromInputUnsafe(options.interval ?? "1 hour"));
    yield* TestClock.setTime(start);
    const clock = yield* Clock.Clock;
    const scope = yield* Effect.scope;
    const trace = new Trace(clock);
    const memory = yield* MemoryNetwork.make(options.line ?? { latency: "5 millis" });
    const hosts = new Hosts(memory);

    const keys = drawKeys(seed);
    const authorityKeys = Array.from(
      { length: options.authorities ?? 3 },
      (_, index) => new AuthorityKeys(`auth${index}`, keys),
    );
    const spoken = (protocols: string): string =>
      options.conflux === false ? protocols.replace(/Conflux=\S+ /, "") : protocols;
    const resumption = options.resumption ?? false;
    const plans = [
      ...planRelays(options.relays ?? { guards: 4, middles: 4, exits: 3 }),
      ...authorityKeys.map((_, index) => planAuthority(index)),
    ].map((plan) => ({
      ...plan,
      protocols: `${resumption ? `${RESUMPTION_PROTOCOL}=1 ` : ""}${spoken(plan.protocols)}`,
    }));
    const identities = plans.map(({ nickname }) => new RelayIdentity(`${seed} ${nickname}`, keys(), start));
    const publisher = new Publisher({
      intervalMillis,
      authorities: authorityKeys,
      start,
      draft: (times) => ({
        ...times,
        params: new Map(Object.entries(options.params ?? {})),
        requiredClientProtocols: REQUIRED_CLIENT_PROTOCOLS,
        recommendedClientProtocols: RECOMMENDED_CLIENT_PROTOCOLS,
        requiredRelayProtocols: spoken(RELAY_PROTOCOLS),
        recommendedRelayProtocols: spoken(RELAY_PROTOCOLS),
        relays: plans.map((plan, index) => draftOf(plan, identities[index] as RelayIdentity, plans, identities)),
        authorities: authorityKeys.map(({ nickname, identity }, index) => ({
          nickname,
          v3Identity: identity,
          ...placeOf(index),
        })),
        signers: [...authorityKeys],
        weights: undefined,
      }),
    });
    const wholeSecond = (): number => Math.floor(clock.currentTimeMillisUnsafe() / 1000) * 1000;
    const publish = (validAfter: number): void => {
      publisher.publish(validAfter);
      trace.note(
        "authorities",
        `consensus ${publisher.held.signedDigest}, ${publisher.held.consensus.routers.length} relays`,
      );
    };
    publish(start);
    const directories = yield* makeDirectories(publisher, trace);
    const internet = yield* makeInternet(memory, trace, (address) => hosts.add(address));

    const addresses = new Set(plans.map(({ address, orPort }) => `${address} ${orPort}`));
    const home = {
      seed,
      memory,
      publisher,
      directories,
      internet,
      trace,
      isRelayAddress: (address: string, port: number) => addresses.has(`${address} ${port}`),
      stall: (address: string, stalled: boolean) => hosts.stall(address, stalled),
      cut: (address: string) => hosts.cut(address),
    };
    const relays = plans.map(
      (plan, index) => new MemoryRelay(plan, identities[index] as RelayIdentity, home, { scope, clock }),
    );
    for (const relay of relays) {
      hosts.add(relay.address);
      yield* relay.start;
    }
    for (const [index, { nickname }] of authorityKeys.entries()) {
      const { address: host, dirPort: port } = placeOf(index);
      const onConnection = (connection: Connection) => {
        const from = connection.remote.host;
        directories.serve(connection, { asked: nickname, from, port: "Dir" }, () => void memory.cut(host, from));
      };
      yield* Transport.use((transport) => transport.listen({ host, port }, { onConnection })).pipe(
        Effect.provide(memory.host(host)),
        Effect.orDie,
      );
    }
    yield* Effect.forkScoped(
      Effect.gen(function* () {
        for (let next = start + intervalMillis; ; next += intervalMillis) {
          yield* Effect.sleep(next - clock.currentTimeMillisUnsafe());
          publish(next);
        }
      }),
    );

    const byName = new Map(relays.map((relay) => [relay.nickname, relay]));
    return {
      authorities: authorityKeys.map(({ nickname: name, identity: v3Identity }, index): Authority => {
        const { address: host, dirPort: port, orPort } = placeOf(index);
        const endpoint = { host, port };
        const relayIdentity = (byName.get(name) as MemoryRelay).fingerprint;
        return { name, v3Identity, relayIdentity, download: endpoint, upload: endpoint, orPort, ipv6: undefined };
      }),
      relays,
      relay: (nickname) => {
        const relay = byName.get(nickname);
        if (relay === undefined) throw new Error(`no relay is called ${nickname}`);
        return relay;
      },
      relayAt: (address) => relays.find((relay) => relay.address === address),
      transport: (address = DEFAULT_CLIENT) => {
        hosts.add(address);
        return memory.host(address);
      },
      entropy: (label) => layerEntropySeeded(`${seed} ${label}`),
      lines: memory,
      internet,
      consensus: () => publisher.held,
      amend: (change) => added(publisher.changes, change),
      publish: Effect.sync(() => publish(wholeSecond())),
      draft: () => publisher.draft(wholeSecond()),
      pretend: (consensus) => {
        publisher.pretend(consensus);
        return () => publisher.pretend(undefined);
      },
      answering: (answer) => added(directories.answering, answer),
      questions: directories.questions,
      trace,
    } satisfies MemoryTorNetwork;
  }).pipe(Effect.provideServiceEffect(Topology.Registry, Effect.sync(Topology.makeUnsafe)));

/** All hosts that were heard of: lines are between two. */
class Hosts {
  private readonly memory: MemoryNetwork.MemoryNetwork;
  private readonly known = new Set<string>();
  private readonly stalled = new Set<string>();

  constructor(memory: MemoryNetwork.MemoryNetwork) {
    this.memory = memory;
  }

  add(address: string): void {
    if (this.known.has(address)) return;
    for (const other of this.stalled) this.between(address, other, true);
    this.known.add(address);
  }

  stall(address: string, stalled: boolean): void {
    if (stalled) this.stalled.add(address);
    else this.stalled.delete(address);
    for (const other of this.known) if (!this.stalled.has(other)) this.between(address, other, stalled);
  }

  cut(address: string): void {
    for (const other of this.known) this.memory.cut(address, other);
  }

  private between(one: string, other: string, stalled: boolean): void {
    this.memory.stall(one, other, stalled);
    this.memory.stall(other, one, stalled);
  }
}

/** Where an authority is. */
const placeOf = (index: number) => {
  const { address, orPort } = planAuthority(index);
  return { address, orPort, dirPort: 80 };
};

/** What the consensus says of a relay. */
const draftOf = (
  plan: RelayPlan,
  identity: RelayIdentity,
  plans: ReadonlyArray<RelayPlan>,
  identities: ReadonlyArray<RelayIdentity>,
): DraftRelay => {
  const family = plan.family.map((member) => {
    const index = plans.findIndex(({ nickname }) => nickname === member);
    return `$${identities[index]?.fingerprint ?? member}`;
  });
  const policy = ExitPolicy.ofOptions({ rules: plan.policy, ipv6: false, rejectPrivate: true }).summary(4);
  const lines = [
    "onion-key",
    `ntor-onion-key ${encodeBase64(identity.onionKey)}`,
    ...(family.length === 0 ? [] : [`family ${family.sort().join(" ")}`]),
    ...(plan.policy.length === 0 || policy.rejectsAll ? [] : [`p ${policy}`]),
    `id ed25519 ${encodeBase64(identity.server.ed25519Identity as Buffer)}`,
  ];
  return {
    nickname: plan.nickname,
    rsaId: Buffer.from(identity.server.rsaIdentity),
    address: plan.address,
    orPort: plan.orPort,
    flags: new Set(plan.flags),
    bandwidth: plan.bandwidth,
    protocols: plan.protocols,
    version: "Tor 0.4.9.11",
    microdescriptor: `${lines.join("\n")}\n`,
  };
};

/** RSA keys in an order that the seed gives. */
const drawKeys = (seed: string) => {
  const random = new Random(bytesOf(`${seed} keys`)(4).readUInt32BE());
  const left = Array.from({ length: RSA_KEYS }, (_, index) => FIRST_OWN_KEY + index);
  return () => {
    const [index] = left.splice(random.below(left.length), 1);
    if (index === undefined) throw new Error(`a network has at most ${RSA_KEYS} RSA keys`);
    return rsaKey(index);
  };
};

const added = <A>(set: Set<A>, value: A): (() => void) => {
  set.add(value);
  return () => set.delete(value);
};

/** RSA keys that a network draws from: three for each authority, one for each relay. */
const RSA_KEYS = 100;

/** Later than the release: what older consensuses ask of clients is not looked at. */
const DEFAULT_START = Date.UTC(2027, 0, 1);

const DEFAULT_CLIENT = "9.0.0.1";
