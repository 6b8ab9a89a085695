import {
  ChannelManager,
  channelParams,
  type Listener,
  layerChannelManager,
  layerEntropySeeded,
  type MemoryNetwork,
} from "@allium/channel";
import {
  congestionParams,
  describeEnd,
  flowParams,
  type HopTarget,
  layerRelayCircuits,
  layerSingle,
  RelayCircuits,
} from "@allium/circuit";
import { confluxParams, layerConflux, RESUMPTION_PROTOCOL } from "@allium/conflux";
import { Memory, MemoryQuota } from "@allium/kernel";
import { ExitPolicy, type Fingerprint } from "@allium/netdoc";
import { layerExit } from "@allium/relay";
import { type Clock, Context, Effect, Exit, Layer, Scope } from "effect";
import type { Directories } from "./directories.ts";
import { DAY_MILLIS, type RelayIdentity } from "./identity.ts";
import type { Internet } from "./internet.ts";
import { observe, type SeenStream } from "./observed-openers.ts";
import type { RelayPlan } from "./plan.ts";
import type { Publisher } from "./publisher.ts";
import type { Trace } from "./trace.ts";

/** What all relays of a network share. */
export interface RelayHome {
  readonly seed: string;
  readonly memory: MemoryNetwork.MemoryNetwork;
  readonly publisher: Publisher;
  readonly directories: Directories;
  readonly internet: Internet;
  readonly trace: Trace;
  readonly isRelayAddress: (address: string, port: number) => boolean;
  /** Lets nothing through between a host and all others, or lets it through again. */
  readonly stall: (address: string, stalled: boolean) => void;
  /** Breaks all connections of a host. */
  readonly cut: (address: string) => void;
}

interface Running {
  readonly scope: Scope.Closeable;
  readonly channels: ChannelManager["Service"];
  readonly circuits: RelayCircuits["Service"];
}

/** Names are looked up, and their addresses are refused. */
const REFUSING = ExitPolicy.ofOptions({ rules: ["accept *:65535", "reject *:*"], ipv6: false, rejectPrivate: true });

/** A relay of the network: Allium's channels, circuits, exit and directory server, on a host in memory. */
export class MemoryRelay {
  readonly plan: RelayPlan;
  readonly identity: RelayIdentity;
  /** Streams that it was asked for, whatever became of them. */
  readonly streams: Array<SeenStream> = [];
  private readonly home: RelayHome;
  private readonly scope: Scope.Scope;
  private readonly clock: Clock.Clock;
  private running: Running | undefined;
  private starts = 0;
  private refuses = false;
  private usedCircuits = 0;

  constructor(
    plan: RelayPlan,
    identity: RelayIdentity,
    home: RelayHome,
    services: { scope: Scope.Scope; clock: Clock.Clock },
  ) {
    this.plan = plan;
    this.identity = identity;
    this.home = home;
    this.scope = services.scope;
    this.clock = services.clock;
  }

  get nickname(): string {
    return this.plan.nickname;
  }

  get fingerprint(): Fingerprint {
    return this.identity.fingerprint;
  }

  get address(): string {
    return this.plan.address;
  }

  get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** Circuits that are open on it now. */
  get openCircuits(): number {
    return this.running?.circuits.circuits().length ?? 0;
  }

  /** Channels that are open on it now. */
  get openChannels(): number {
    return this.running?.channels.channels().length ?? 0;
  }

  /** What a client has to know of it to have it as a hop. */
  get hop(): HopTarget {
    const { rsaIdentity, ed25519Identity } = this.identity.server;
    return {
      rsaId: Buffer.from(rsaIdentity),
      ed25519Id: Buffer.from(ed25519Identity),
      onionKey: this.identity.onionKey,
      endpoints: [{ host: this.plan.address, port: this.plan.orPort }],
      congestionControl: true,
    };
  }

  /** While it is stalled nothing comes from it and nothing reaches it, and everybody waits: a machine that hangs. */
  stall(stalled: boolean): void {
    this.home.trace.note(this.nickname, stalled ? "hangs" : "goes on");
    this.home.stall(this.address, stalled);
  }

  /** While it refuses, no destination is permitted, whatever its policy says: a `tor` that was just started does so. */
  refuse(refuses: boolean): void {
    this.home.trace.note(this.nickname, refuses ? "refuses all" : "refuses no more");
    this.refuses = refuses;
  }

  /** Ends it in order: circuits are destroyed, channels closed, and nobody listens any more. */
  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { running } = this;
      if (running === undefined) return Effect.void;
      this.running = undefined;
      this.home.trace.note(this.nickname, "stops");
      return Scope.close(running.scope, Exit.void);
    });
  }

  /** Ends it without a word: its connections break. */
  get kill(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.running === undefined) return Effect.void;
      this.home.trace.note(this.nickname, "is killed");
      this.home.cut(this.address);
      return this.stop;
    });
  }

  /** Starts it (again), with the keys that it had. */
  get start(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.running !== undefined) return Effect.void;
      return Effect.gen({ self: this }, function* () {
        const scope = yield* Scope.fork(this.scope);
        const run = ++this.starts;
        const services = yield* Layer.build(Layer.fresh(this.layer(`${this.home.seed} ${this.nickname} ${run}`))).pipe(
          Effect.provideService(Memory.Quota, new MemoryQuota()),
          Scope.provide(scope),
        );
        const channels = Context.get(services, ChannelManager);
        const { address: host, orPort: port } = this.plan;
        const listener = yield* channels.listen({ host, port }).pipe(Scope.provide(scope), Effect.orDie);
        yield* Effect.forkIn(this.renewCertificates(listener), scope);
        this.running = { scope, channels, circuits: Context.get(services, RelayCircuits) };
        this.home.trace.note(this.nickname, `starts at ${host}:${port} as ${this.fingerprint}`);
      });
    });
  }

  /** Each day at midnight, as a relay's key tasks do in time. */
  private renewCertificates(listener: Listener): Effect.Effect<never> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const now = this.clock.currentTimeMillisUnsafe();
        yield* Effect.sleep(DAY_MILLIS - (now % DAY_MILLIS));
        listener.setIdentity(this.identity.current(this.clock.currentTimeMillisUnsafe()).tls);
      }
    });
  }

  private layer(seed: string): Layer.Layer<ChannelManager | RelayCircuits> {
    const { plan, identity, home } = this;
    const { publisher, trace, internet, directories } = home;
    const now = (): number => this.clock.currentTimeMillisUnsafe();
    const param = (name: string): number | undefined => publisher.held.consensus.params.raw(name);
    const policy =
      plan.policy.length === 0
        ? ExitPolicy.rejectAll
        : ExitPolicy.ofOptions({ rules: plan.policy, ipv6: false, rejectPrivate: true });
    const exit = layerExit({
      policy: () => (this.refuses ? REFUSING : policy),
      ipv6: () => false,
      isNetworkAddress: ({ address }, port) => home.isRelayAddress(address, port),
      isKnownRelay: (relay) => publisher.knows(relay),
      beginDirectory: ({ address }) => directories.open({ asked: plan.nickname, from: address, port: "OR" }),
    }).pipe(
      observe(
        now,
        () => ++this.usedCircuits,
        (stream) => {
          this.streams.push(stream);
          trace.note(plan.nickname, `${stream.kind} ${stream.target} on circuit ${stream.circuit} from ${stream.from}`);
        },
      ),
      Layer.provide(internet.resolver(plan.nickname)),
    );
    const channels = layerChannelManager({
      ...channelParams(param, "relay"),
      local: () => ({ identity: identity.current(now()), addresses: [plan.address] }),
      observer: {
        onOpen: ({ remote, peer }) =>
          trace.note(plan.nickname, `channel with ${peer === undefined ? "client" : "relay"} ${remote.host} opens`),
        onEnd: ({ remote }, end) =>
          trace.note(plan.nickname, `channel with ${remote.host} ends: ${typeof end === "string" ? end : end._tag}`),
        onRefused: (remote, error) => trace.note(plan.nickname, `no channel with ${remote.host}: ${error._tag}`),
      },
    });
    return layerRelayCircuits({
      keys: () => identity.server,
      congestion: () => congestionParams(param, "exit"),
      extendPolicy: () => ({ self: identity.current(now()).peer, addressAllowed: () => true }),
      admit: ({ channel, message }) => {
        trace.note(plan.nickname, `${message._tag} from ${channel.remote.host}`);
        return true;
      },
      onEnd: (circuit, end) => trace.note(plan.nickname, `${circuit.name} ends: ${describeEnd(end)}`),
      onRefused: (refusal) => trace.note(plan.nickname, `a circuit is refused: ${refusal}`),
    }).pipe(
      Layer.provide(
        layerConflux({
          params: () => confluxParams(param),
          resumption: () => plan.protocols.includes(RESUMPTION_PROTOCOL),
        }),
      ),
      Layer.provide(layerSingle({ role: "exit", flowParams: () => flowParams(param) })),
      Layer.provide(exit),
      Layer.provideMerge(channels),
      Layer.provide([home.memory.host(plan.address), layerEntropySeeded(seed)]),
    );
  }
}
