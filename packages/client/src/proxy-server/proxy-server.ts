import { type Connection, type Endpoint, Transport, type TransportError } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { Clock, Effect, Exit, FiberSet, Scope } from "effect";
import type { ProxyOptions } from "../proxy/index.ts";
import { TorClient } from "../tor-client.ts";
import { Application } from "./application.ts";
import { Bridge } from "./bridge.ts";
import type { IsolationFlags } from "./isolation.ts";
import {
  MAX_PROXY_CONNECTIONS,
  MAX_PROXY_NEGOTIATIONS,
  PROXY_GATHER_MILLIS,
  PROXY_READ_BUFFER_BYTES,
  PROXY_SWEEP_PERIOD,
} from "./limits.ts";
import { makeWarnings } from "./warnings.ts";

/** A port for applications. */
export interface ProxyListener extends ProxyOptions {
  readonly listen: Endpoint;
  /** @default those of {@link IsolationFlags} */
  readonly isolation?: IsolationFlags;
}

/** What a proxy is configured with. */
export interface ProxyServerConfig {
  readonly listeners: ReadonlyArray<ProxyListener>;
  /**
   * Applications that are connected at once, at all listeners; more are refused. Who only waits for the end makes room for others.
   *
   * @default MAX_PROXY_CONNECTIONS
   */
  readonly maxConnections?: number;
  /** Of these, how many may not have said yet what they want; for one more the oldest is given up. @default MAX_PROXY_NEGOTIATIONS */
  readonly maxNegotiations?: number;
  /** Whether to warn of applications that give addresses in place of names. @default true */
  readonly warnOfAddresses?: boolean;
}

/** What a proxy has to do. */
export interface ProxyCounts {
  /** Applications that are connected. */
  readonly connections: number;
  /** Those of them that have not said yet what they want. */
  readonly negotiating: number;
  /** Those that have a stream. */
  readonly streams: number;
  /** Applications that were refused, or given up, for want of room. */
  readonly refused: number;
  /** Bytes that came from applications that had their streams, and that went to them. */
  readonly up: number;
  readonly down: number;
}

/** A proxy that runs. */
export interface ProxyServer {
  /** Where it listens, one for each listener, in their order. */
  readonly endpoints: ReadonlyArray<Endpoint>;
  /** The figures of this moment. */
  readonly counts: () => ProxyCounts;
  /** Listens no more, and waits until no application is connected any more. */
  readonly drain: Effect.Effect<void>;
}

/**
 * Serves applications that want streams of the `TorClient`: SOCKS4, SOCKS4a, SOCKS5 and HTTP CONNECT on each port. When the scope closes,
 * applications that are connected are reset.
 */
export const makeProxyServer = (
  config: ProxyServerConfig,
): Effect.Effect<ProxyServer, TransportError, Transport | TorClient | Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* Transport;
    const client = yield* TorClient;
    const warn = yield* makeWarnings;
    const maxConnections = config.maxConnections ?? MAX_PROXY_CONNECTIONS;
    const maxNegotiations = config.maxNegotiations ?? MAX_PROXY_NEGOTIATIONS;
    const bridges = yield* makeBridges;
    const fork = yield* FiberSet.makeRuntime<never, void, never>();
    const listening = yield* Scope.fork(yield* Effect.scope);
    /** Applications that have not said what they want, the oldest first. */
    const negotiating = new Set<Application>();
    const idle = Signal.make();
    let applications = 0;
    let refused = 0;

    const connections = (): number => applications + bridges.size();
    const admit = (): boolean => {
      if (connections() < maxConnections || bridges.makeRoom()) return true;
      refused++;
      warn("crowded");
      return false;
    };
    const makeRoom = (): void => {
      const [oldest] = negotiating;
      if (oldest === undefined || negotiating.size < maxNegotiations) return;
      negotiating.delete(oldest);
      refused++;
      warn("negotiations");
      oldest.drop();
    };
    const onConnection =
      (listener: ProxyListener, index: number) =>
      (connection: Connection): void => {
        makeRoom();
        const application: Application = new Application(connection, {
          client,
          warn,
          listener: `proxy ${index}`,
          isolation: listener.isolation ?? {},
          options: listener,
          warnOfAddresses: config.warnOfAddresses ?? true,
          onDecided: () => negotiating.delete(application),
          onStream: bridges.start,
        });
        negotiating.add(application);
        applications++;
        fork(
          Effect.ensuring(
            application.serve,
            Effect.sync(() => {
              applications--;
              if (connections() === 0) idle.notify();
            }),
          ),
        );
      };
    const endpoints = yield* Effect.forEach(config.listeners, (listener, index) =>
      transport
        .listen(listener.listen, {
          admit,
          // `admit` decides, and is asked first.
          maxConnections: maxConnections + 1,
          readBufferBytes: PROXY_READ_BUFFER_BYTES,
          onConnection: onConnection(listener, index),
        })
        .pipe(
          Effect.map(({ endpoint }) => endpoint),
          Scope.provide(listening),
        ),
    );
    bridges.onIdle(() => {
      if (connections() === 0) idle.notify();
    });
    return {
      endpoints,
      counts: () => ({
        connections: connections(),
        negotiating: negotiating.size,
        streams: bridges.size(),
        refused,
        ...bridges.bytes(),
      }),
      drain: Effect.gen(function* () {
        yield* Scope.close(listening, Exit.void);
        while (connections() > 0) yield* idle.wait;
      }),
    };
  });

/** The bridges of a proxy, and their time: two fibers for all of them. The scope's end resets their applications. */
const makeBridges = Effect.gen(function* () {
  const clock = yield* Clock.Clock;
  const open = new Set<Bridge>();
  const ending = new Set<Bridge>();
  const wake = Signal.make();
  /** Bridges that gather for their applications. */
  let gathering: Array<Bridge> = [];
  const gathers = Signal.make();
  let onIdle = (): void => {};
  let isOver = false;
  let up = 0;
  let down = 0;
  const keeper = {
    watch: (bridge: Bridge): void => {
      if (ending.size === 0) wake.notify();
      ending.add(bridge);
    },
    gather: (bridge: Bridge): void => {
      if (gathering.length === 0) gathers.notify();
      gathering.push(bridge);
    },
    onEnd: (bridge: Bridge): void => {
      up += bridge.up;
      down += bridge.down;
      open.delete(bridge);
      ending.delete(bridge);
      if (open.size === 0) onIdle();
    },
  };
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isOver = true;
      for (const bridge of [...open]) bridge.abort();
    }),
  );
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (;;) {
        if (ending.size === 0) {
          yield* wake.wait;
          continue;
        }
        const now = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n);
        for (const bridge of [...ending]) bridge.tick(now);
        yield* Effect.sleep(PROXY_SWEEP_PERIOD);
      }
    }),
  );
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (;;) {
        if (gathering.length === 0) {
          yield* gathers.wait;
          continue;
        }
        yield* Effect.sleep(PROXY_GATHER_MILLIS);
        const gathered = gathering;
        gathering = [];
        for (const bridge of gathered) bridge.passOn();
      }
    }),
  );
  return {
    size: (): number => open.size,
    /** Ends one that is about to end. Whether there was one. */
    makeRoom: (): boolean => {
      for (const bridge of ending) if (bridge.makeRoom()) return true;
      return false;
    },
    bytes: () => {
      const sums = { up, down };
      for (const bridge of open) {
        sums.up += bridge.up;
        sums.down += bridge.down;
      }
      return sums;
    },
    /** Sets who is told when there is none left. */
    onIdle: (listener: () => void): void => {
      onIdle = listener;
    },
    start: (application: Connection, stream: Connection, first: Buffer): void => {
      const bridge = new Bridge(application, stream, keeper);
      open.add(bridge);
      if (isOver) bridge.abort();
      else bridge.start(first);
    },
  };
});
