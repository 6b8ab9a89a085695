import type { ChannelManager } from "@allium/channel";
import type { RelayCircuits } from "@allium/circuit";
import type { DescriptorSource } from "@allium/directory";
import { Supervisor, type SupervisorClosed, type TaskNameTaken, TaskPolicy } from "@allium/kernel";
import { Cause, type Context, Effect, Exit, Option, type Scope } from "effect";
import type { Defences } from "./defence/index.ts";
import type { RelayDirectory } from "./directory.ts";
import { type CertificatesContext, keepCertificates, keepOnionKeys } from "./key-tasks.ts";
import { type KeyStore, type KeyStoreError, SigningKeyError } from "./keys/index.ts";
import { circuitParams, onionKeyParams } from "./params.ts";
import { RelayFailed } from "./relay-error.ts";
import { expireIdleCircuits, heartbeat } from "./tasks.ts";
import { measureTraffic, type TrafficMeter } from "./traffic.ts";

/** What the background tasks of a relay work with. */
export interface TasksContext {
  readonly channels: ChannelManager["Service"];
  readonly circuits: RelayCircuits["Service"];
  readonly directory: RelayDirectory;
  readonly certificates: CertificatesContext;
  readonly keys: Context.Context<KeyStore>;
  readonly descriptor: Context.Context<DescriptorSource>;
  readonly traffic: TrafficMeter;
  readonly defences: Defences;
  readonly startedAt: number;
}

/** A signing key that is over, with nobody here who could make another: no restart helps. */
const isOver = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (error) => error instanceof SigningKeyError);

/**
 * Starts all background tasks of a relay; they stop with the scope.
 *
 * @returns waits until one has ended without which the relay is none
 */
export const startRelayTasks = (
  context: TasksContext,
): Effect.Effect<Effect.Effect<never, RelayFailed | KeyStoreError>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channels, circuits, directory, certificates, keys, descriptor, traffic, defences, startedAt } = context;
    const { reactor, cache, view } = directory;
    const param = (name: string) => view.current().params.raw(name);
    const supervisor = yield* Supervisor.make({ name: "relay" });
    const restart = TaskPolicy.restart();
    yield* made(supervisor.start({ name: "memory", run: defences.keepMemory }, restart));
    yield* made(supervisor.start(reactor.fetcher, restart));
    if (cache !== undefined) yield* made(supervisor.start(cache.mirror, restart));
    const publisher = { ...reactor.publisher, run: Effect.provideContext(reactor.publisher.run, descriptor) };
    yield* made(supervisor.start(publisher, restart));
    yield* made(supervisor.start({ name: "traffic", run: measureTraffic(traffic, channels.channels) }, restart));
    yield* made(supervisor.start({ name: "idle circuits", run: expireIdleCircuits(circuits, circuitParams) }, restart));
    yield* made(
      supervisor.start(
        { name: "heartbeat", run: heartbeat({ circuits, channels, traffic, defences, startedAt }) },
        restart,
      ),
    );
    yield* made(
      supervisor.start(
        { name: "certificates", run: Effect.provideContext(keepCertificates(certificates), keys) },
        TaskPolicy.restart({ isTransient: (cause) => !isOver(cause) }),
      ),
    );
    const onNewOnionKey = reactor.publish("the onion key has changed");
    const onionKeys = keepOnionKeys(() => onionKeyParams(param), onNewOnionKey);
    yield* made(supervisor.start({ name: "onion keys", run: Effect.provideContext(onionKeys, keys) }, restart));

    return Effect.flatMap(supervisor.ended, ({ cause }): Effect.Effect<never, RelayFailed | KeyStoreError> => {
      if (cause._tag !== "TaskFailed") return Effect.never;
      const { task, exit } = cause;
      const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined;
      return Effect.fail(error instanceof SigningKeyError ? error : new RelayFailed({ task, cause: exit }));
    });
  });

/** The supervisor was made a moment ago: neither of these can be. */
const made = <A>(start: Effect.Effect<A, SupervisorClosed | TaskNameTaken>): Effect.Effect<A> =>
  Effect.catch(start, (error) => Effect.die(new Error(`task not started: ${error._tag}`)));
