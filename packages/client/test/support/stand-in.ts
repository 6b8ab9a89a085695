import { EndReason } from "@allium/cell";
import {
  type Connection,
  connectionPair,
  NodeTransport,
  type PairedConnection,
  Transport,
  TransportError,
} from "@allium/channel";
import { Effect, Layer, Stream } from "effect";
import {
  ConnectError,
  type ConnectFailure,
  makeSocket,
  type StreamOptions,
  type Target,
  TorClient,
  type TorClientService,
} from "../../src/index.ts";

/** What was asked of the stand-in. */
export interface Asked extends Target {
  readonly isolation: string;
  readonly family: string;
  /** Which identity: 0, and one more for each `isolated`. */
  readonly identity: number;
}

/** Where a name leads: a port of this computer, a failure, or nowhere for ever. */
export type Route = number | { readonly fails: ConnectFailure } | "silence";

/** What an exit holds of one stream: the reactor's end of the pair, and its socket to the server. */
interface Held {
  readonly near: PairedConnection;
  readonly far: Connection;
}

const NOWHERE = { host: "", port: 0 };

/**
 * Stands in for a client with a network behind it. Its streams lead over real sockets to servers on this computer, which stand for those
 * of the world: by names that no resolver knows. As over Tor an END closes a stream both ways, and a circuit may break any time.
 */
export class TorStandIn {
  /** All streams that were asked for. */
  readonly asked: Array<Asked> = [];
  /** Streams that were given up while they were being opened. */
  givenUp = 0;
  /** Bytes that were handed to applications. */
  delivered = 0;
  private readonly routes: ReadonlyMap<string, Route>;
  private readonly held = new Set<Held>();
  private identities = 0;
  /** Lookups: what a name stands for. */
  private readonly names: ReadonlyMap<string, string>;

  /** @param routes by `name:port`; what is not there cannot be resolved */
  constructor(routes: Readonly<Record<string, Route>>, names: Readonly<Record<string, string>> = {}) {
    this.routes = new Map(Object.entries(routes));
    this.names = new Map(Object.entries(names));
  }

  /** Streams that are open. */
  get open(): number {
    return this.held.size;
  }

  /** Bytes that wait for applications. */
  get pending(): number {
    return [...this.held].reduce((sum, { near }) => sum + near.pending, 0);
  }

  /** The client that programs see. */
  readonly service: TorClientService = this.identity(0);

  /** One of its clients, as a layer. */
  static layerOf(service: TorClientService): Layer.Layer<TorClient> {
    return Layer.succeed(TorClient, service);
  }

  readonly layer: Layer.Layer<TorClient> = TorStandIn.layerOf(this.service);

  /** All circuits break. */
  breakAll(): void {
    for (const { near, far } of this.held) {
      far.destroy();
      near.fail(new TransportError({ kind: "other", code: "END_DESTROY", endpoint: NOWHERE }));
    }
    this.held.clear();
  }

  private identity(identity: number): TorClientService {
    const open = (target: Target, options: StreamOptions = {}) =>
      Effect.map(this.connect(target, options, identity), (connection) => ({
        connection,
        address: undefined,
        tunnel: identity + 1,
      }));
    return {
      ready: Effect.void,
      failed: Effect.never,
      open,
      connect: (target, options) => makeSocket(Effect.map(open(target, options), ({ connection }) => connection)),
      resolve: (name) =>
        Effect.suspend(() => {
          const address = this.names.get(name);
          return address === undefined
            ? Effect.fail(new ConnectError({ failure: "no-answer" }))
            : Effect.succeed([{ value: { family: 4 as const, address }, ttl: 60 }]);
        }),
      reverse: () => Effect.fail(new ConnectError({ failure: "no-answer" })),
      isolated: Effect.sync(() => this.identity(++this.identities)),
      status: () => ({ phase: "ready", progress: 1, waitsFor: "nothing", trouble: undefined }),
      tunnels: () => [],
      events: Stream.sync(() => ({ _tag: "Bootstrap" as const, status: this.service.status() })),
    };
  }

  private connect(target: Target, options: StreamOptions, identity: number): Effect.Effect<Connection, ConnectError> {
    return Effect.gen({ self: this }, function* () {
      const { isolation = "", family = "any" } = options;
      this.asked.push({ ...target, isolation, family, identity });
      const route = this.routes.get(`${target.host}:${target.port}`) ?? { fails: { end: EndReason.RESOLVEFAILED } };
      if (route === "silence") {
        return yield* Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            this.givenUp++;
          }),
        );
      }
      if (typeof route === "object") return yield* new ConnectError({ failure: route.fails });
      const transport = yield* Transport;
      const far = yield* Effect.mapError(
        transport.connect({ host: "127.0.0.1", port: route }, { tls: false }),
        (cause) => new ConnectError({ failure: { end: EndReason.CONNECTREFUSED }, cause }),
      );
      const [application, near] = connectionPair();
      this.hold({ near, far });
      return application;
    }).pipe(Effect.provide(NodeTransport.layer));
  }

  private hold(stream: Held): void {
    this.held.add(stream);
    const { near, far } = stream;
    let moving = false;
    const move = () => {
      // Reading tells of a change itself.
      if (moving || !this.held.has(stream)) return;
      moving = true;
      while (far.pending < MOST_PENDING) {
        const chunk = near.read();
        if (chunk === undefined) break;
        far.write(chunk);
      }
      while (near.pending < MOST_PENDING) {
        const chunk = far.read();
        if (chunk === undefined) break;
        near.write(chunk);
        this.delivered += chunk.length;
      }
      moving = false;
      if (far.readable === 0 && far.status !== "open") this.ended(stream);
      else if (near.readable === 0 && near.status !== "open") this.left(stream);
    };
    near.onChange(move);
    far.onChange(move);
    move();
  }

  /** The server has ended it: END goes to the client, which hears no more. */
  private ended(stream: Held): void {
    const { near, far } = stream;
    this.held.delete(stream);
    if (far.failure === undefined) near.end();
    else near.fail(new TransportError({ kind: "reset", code: "END_CONNRESET", endpoint: NOWHERE }));
    far.destroy();
  }

  /** The client has ended it: END goes to the exit, and what would come is dropped. */
  private left(stream: Held): void {
    this.held.delete(stream);
    stream.far.end();
    stream.near.end();
  }
}

/** What waits in either direction at the exit. */
const MOST_PENDING = 128 * 1024;
