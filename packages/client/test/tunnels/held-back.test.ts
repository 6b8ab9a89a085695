import type { ClientCircuit, ClientCircuits } from "@allium/circuit";
import type { ConfluxManager } from "@allium/conflux";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Deferred, Effect, FiberSet } from "effect";
import { TestClock } from "effect/testing";
import { BuildTimes } from "../../src/build-times/index.ts";
import { GuardSets } from "../../src/guards/index.ts";
import { NetworkState } from "../../src/network-state.ts";
import { RelayTable } from "../../src/paths/index.ts";
import {
  acquireTunnel,
  ClientConflux,
  GuardKeeper,
  TunnelPool,
  type TunnelRequest,
  Wakes,
} from "../../src/tunnels/index.ts";
import { directory, exit, guard, seeded, validAfter } from "../paths/support.ts";

const manager: Pick<ConfluxManager["Service"], "begin"> = {
  begin: () => assert.fail("a set was begun"),
};

/** How long a circuit may take here, in milliseconds. */
const PATIENCE = 1_500;

/** A circuit that a test builds hop by hop. */
interface Pretended {
  readonly guard: string;
  /** The guard has answered, and the others do at once. */
  readonly answers: Deferred.Deferred<void>;
}

/** The tunnels of a client that has one primary guard, two others, and nobody to build circuits but the test. */
const makeBench = Effect.gen(function* () {
  yield* TestClock.setTime(validAfter);
  const clock = yield* Clock.Clock;
  const now = (): number => clock.currentTimeMillisUnsafe();
  const network = new NetworkState();
  const table = RelayTable.of(
    directory(
      [
        ...["guard0", "guard1", "guard2"].map((nickname) => ({ nickname, flags: guard })),
        ...["middle0", "middle1"].map((nickname) => ({ nickname })),
        ...["exit0", "exit1"].map((nickname) => ({ nickname, flags: exit, policy: "accept 80" })),
      ],
      { params: { "guard-n-primary-guards": 1, cbtinitialtimeout: PATIENCE } },
    ),
  );
  network.table = table;
  Object.assign(network, { readiness: { state: "ready" } });
  const guards = new GuardKeeper(new GuardSets({ version: "1.2.3" }), now, seeded(1));
  guards.update(table);
  const fork = yield* FiberSet.makeRuntime<never>();
  const asked: Array<Pretended> = [];
  const circuits: Pick<ClientCircuits["Service"], "create"> = {
    create: (target, onAsked) =>
      Effect.gen(function* () {
        const answers = yield* Deferred.make<void>();
        asked.push({ guard: target.rsaId.toString("hex"), answers });
        onAsked?.();
        yield* Deferred.await(answers);
        const path = [target];
        return {
          name: `circuit ${asked.length}`,
          path,
          streams: 0,
          end: undefined,
          extend: (next: typeof target) => Effect.sync(() => void path.push(next)),
          stop: () => {},
          congestion: () => undefined,
        } as unknown as ClientCircuit;
      }),
  };
  const changes = new Wakes();
  const wakes = new Wakes(changes);
  let ids = 0;
  const pool = new TunnelPool({
    circuits,
    guards,
    buildTimes: new BuildTimes((name) => network.params.raw(name)),
    network,
    conflux: new ClientConflux(manager, { enabled: false }, network),
    wakes,
    changes,
    random: seeded(1),
    now,
    run: (effect) => void fork(effect),
    onEvent: () => {},
    nextId: () => ++ids,
    maxTunnels: 32,
  });
  const acquire = (isolation: string) => {
    const request: TunnelRequest = {
      needs: [{ family: 4, port: 80 }],
      isolation,
      avoid: new Set(),
      silent: new Set(),
      openedSince: Number.NEGATIVE_INFINITY,
    };
    return acquireTunnel({ pool, network, wakes, now }, () => request, { failure: undefined });
  };
  /** The newest circuit, which is asked for by now. */
  const newest = Effect.gen(function* () {
    yield* TestClock.adjust(1);
    return asked.at(-1) ?? assert.fail("nobody was asked");
  });
  return { asked, pool, acquire, newest };
});

describe("a tunnel that is held back while a better guard may answer", () => {
  it.effect("is not waited for when that guard has answered meanwhile", () =>
    Effect.gen(function* () {
      const { asked, pool, acquire, newest } = yield* makeBench;
      const first = yield* Effect.forkScoped(acquire("first"));
      const { guard: primary } = yield* newest;
      yield* TestClock.adjust(1_000);
      yield* Effect.forkScoped(acquire("second"));
      const late = yield* newest;
      assert.strictEqual(late.guard, primary);

      // The guard is taken for dead, and then it answers.
      yield* TestClock.adjust(PATIENCE - 1_000);
      const other = yield* newest;
      assert.notStrictEqual(other.guard, primary);
      yield* Deferred.succeed(late.answers, undefined);
      yield* TestClock.adjust(1);
      yield* Deferred.succeed(other.answers, undefined);
      const again = yield* newest;
      assert.deepStrictEqual(
        [...pool.tunnels].map(({ state }) => state),
        ["open", "waiting", "building"],
      );

      assert.lengthOf(asked, 4);
      assert.strictEqual(again.guard, primary);
      yield* Deferred.succeed(again.answers, undefined);
      yield* TestClock.adjust(1);
      assert.strictEqual(first.pollUnsafe()?._tag, "Success");
    }).pipe(Effect.scoped),
  );
});
