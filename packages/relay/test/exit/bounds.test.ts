import { type End, EndReason, type ResolvedAnswer } from "@allium/cell";
import { type Connection, connectionPair } from "@allium/channel";
import type { OpenedStream, StreamOpener, StreamRefusal } from "@allium/circuit";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../../test/support/fuzz.ts";
import type { StreamBound } from "../../src/exit/index.ts";
import { RESOLVE_TIMEOUT } from "../../src/exit/limits.ts";
import { CircuitPlaces, Places } from "../../src/exit/places.ts";
import { begin, listen, ORIGIN, refusal, resolve, silentTransport, startExit } from "./support/exit.ts";
import { FakeConnection } from "./support/fake-connection.ts";

const FULL: End = { _tag: "END", reason: EndReason.RESOURCELIMIT, resolved: undefined };
const BUSY: ReadonlyArray<ResolvedAnswer> = [{ _tag: "ERROR", transient: true, ttl: 0 }];

/** Starts effects of a circuit until one is refused; how many were not. */
const fill = <A>(start: () => Effect.Effect<A, StreamRefusal>) =>
  Effect.gen(function* () {
    for (let count = 0; count < 100; count++) {
      const fiber = yield* Effect.forkScoped(start(), { startImmediately: true });
      const exit = fiber.pollUnsafe();
      if (exit !== undefined && (Exit.isFailure(exit) || Array.isArray(exit.value))) return count;
    }
    return assert.fail("nothing was refused");
  });

/** An exit with an origin, and what it was told of bounds. */
const start = (options: Parameters<typeof startExit>[0], transport?: Parameters<typeof startExit>[1]) =>
  Effect.gen(function* () {
    const told: Array<StreamBound> = [];
    const exit = yield* startExit({ ...options, onBound: (bound) => told.push(bound) }, transport);
    yield* listen(exit.network, ORIGIN, 80);
    const open = (opener: StreamOpener): Effect.Effect<OpenedStream, StreamRefusal> => opener.begin(begin(ORIGIN, 80));
    return { ...exit, told, open };
  });

describe("the bounds of an exit", () => {
  it.effect("a circuit has so many streams; one that ends makes room", () =>
    Effect.gen(function* () {
      const { circuit, open, told, status } = yield* start({ bounds: { maxStreamsPerCircuit: 3 } });
      const one = circuit();
      const { connection } = yield* open(one);
      yield* open(one);
      // A look-up is one for as long as it takes.
      assert.notDeepEqual(yield* one.resolve(resolve("nobody.example")), BUSY);
      yield* open(one);
      assert.deepEqual(yield* refusal(open(one)), FULL);
      assert.deepEqual(yield* one.resolve(resolve("nobody.example")), BUSY);
      assert.deepStrictEqual(told, ["streamsPerCircuit", "streamsPerCircuit"]);
      assert.strictEqual(status.counts().bounded.streamsPerCircuit, 2);
      one.linger(connection);
      yield* open(one);
      // What is refused for another reason takes no place.
      yield* Effect.flip(circuit().begin(begin(ORIGIN, 81)));
      assert.strictEqual(status.counts().streams, 3);
    }),
  );

  it.effect("of all streams a circuit has as many as are left, so that a flood leaves some for others", () =>
    Effect.gen(function* () {
      const { circuit, open, told, status } = yield* start({ bounds: { maxStreams: 16 } });
      const [flood, second, third] = [circuit(), circuit(), circuit()];
      assert.strictEqual(yield* fill(() => open(flood)), 8);
      assert.strictEqual(yield* fill(() => open(second)), 4);
      yield* open(third);
      assert.strictEqual(status.counts().streams, 13);
      assert.deepStrictEqual(told, ["streams", "streams"]);
      // A circuit that ends gives back what it has, and only once.
      flood.onCircuitEnd();
      flood.onCircuitEnd();
      assert.strictEqual(status.counts().streams, 5);
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(open(flood))));
      for (const opener of [second, third]) opener.onCircuitEnd();
      assert.strictEqual(status.counts().streams, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("names that nobody answers for hold up those who ask for them, and nobody else", () =>
    Effect.gen(function* () {
      const { circuit, names, told, status } = yield* start({ bounds: { maxLookups: 16 } });
      names.setSilent("slow.example");
      names.setAddresses("quick.example", [ORIGIN]);
      const [flood, second, third] = [circuit(), circuit(), circuit()];
      assert.strictEqual(yield* fill(() => flood.resolve(resolve("slow.example"))), 8);
      assert.strictEqual(yield* fill(() => second.begin(begin("slow.example", 80))), 4);
      assert.deepEqual(yield* refusal(second.begin(begin("quick.example", 80))), FULL);
      yield* third.begin(begin("quick.example", 80));
      assert.notDeepEqual(yield* third.resolve(resolve("quick.example")), BUSY);
      assert.deepStrictEqual(new Set(told), new Set(["lookups"]));
      assert.strictEqual(status.counts().lookups, 12);
      // Many who ask for one name make one question for each family.
      assert.strictEqual(names.questions.filter((question) => question.includes("slow")).length, 2);
    }).pipe(Effect.scoped),
  );

  it.effect("a name that is asked for is waited for until there is an answer, also if nobody does any more", () =>
    Effect.gen(function* () {
      const { circuit, names, status } = yield* start({ bounds: { maxLookups: 8 } });
      const [flood, other] = [circuit(), circuit()];
      for (const name of ["1.example", "2.example", "3.example", "4.example"]) {
        names.setSilent(name);
        const asking = yield* Effect.forkScoped(flood.resolve(resolve(name)), { startImmediately: true });
        yield* Fiber.interrupt(asking);
      }
      assert.strictEqual(status.counts().lookups, 4);
      assert.deepEqual(yield* flood.resolve(resolve("5.example")), BUSY);
      flood.onCircuitEnd();
      assert.strictEqual(status.counts().lookups, 4);
      assert.notDeepEqual(yield* other.resolve(resolve("nobody.example")), BUSY);
      yield* TestClock.adjust(RESOLVE_TIMEOUT);
      assert.strictEqual(status.counts().lookups, 0);
      assert.strictEqual(status.counts().streams, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("destinations that do not answer hold up those who asked for them, and nobody else", () =>
    Effect.gen(function* () {
      const { circuit, open, told, status } = yield* start({ bounds: { maxConnecting: 16 } }, silentTransport);
      const [flood, second, third] = [circuit(), circuit(), circuit()];
      assert.strictEqual(yield* fill(() => open(flood)), 8);
      assert.strictEqual(yield* fill(() => open(second)), 4);
      const waiting = yield* Effect.forkScoped(open(third), { startImmediately: true });
      assert.isUndefined(waiting.pollUnsafe());
      assert.deepStrictEqual(told, ["connecting", "connecting"]);
      assert.strictEqual(status.counts().connecting, 13);
      yield* Fiber.interrupt(waiting);
      assert.strictEqual(status.counts().connecting, 12);
    }).pipe(Effect.scoped),
  );

  it.effect("of the directory's streams a circuit has as many as are left, too", () =>
    Effect.gen(function* () {
      const beginDirectory = () =>
        Effect.sync(
          (): OpenedStream => ({
            connection: connectionPair()[0],
            connected: { _tag: "CONNECTED", resolved: undefined },
          }),
        );
      const { circuit, told, status } = yield* start({ beginDirectory, bounds: { maxDirectoryStreams: 8 } });
      const [flood, second] = [circuit(), circuit()];
      assert.strictEqual(yield* fill(() => flood.beginDirectory), 4);
      const { connection } = yield* second.beginDirectory;
      yield* second.beginDirectory;
      assert.deepEqual(yield* refusal(second.beginDirectory), FULL);
      second.linger(connection);
      yield* second.beginDirectory;
      assert.deepStrictEqual(told, ["directory", "directory"]);
      assert.strictEqual(status.counts().streams, 6);
    }).pipe(Effect.scoped),
  );
});

describe("places that circuits share", () => {
  it("are counted rightly in any order of events, and never more than there are", () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = new Random(seed);
      const places = new Places(12);
      let circuits = [0, 1, 2].map(() => new CircuitPlaces(places));
      const open: Array<readonly [circuit: CircuitPlaces, connection: Connection]> = [];
      for (let step = 0; step < 400; step++) {
        const index = random.below(circuits.length);
        const circuit = circuits[index] as CircuitPlaces;
        switch (random.below(8)) {
          case 0:
            circuit.end();
            circuits = circuits.with(index, new CircuitPlaces(places));
            break;
          case 1:
          case 2:
            for (const [of, connection] of open.splice(random.below(open.length + 1), 1)) of.leave(connection);
            break;
          case 3:
            if (!circuit.isFull) Effect.runSync(Effect.exit(circuit.during(Effect.fail("refused"))));
            break;
          default: {
            if (circuit.isFull) break;
            const connection = new FakeConnection();
            Effect.runSync(circuit.during(Effect.succeed(connection), (one) => one));
            open.push([circuit, connection]);
          }
        }
        assert.strictEqual(
          places.taken,
          circuits.reduce((sum, { size }) => sum + size, 0),
        );
        assert.isAtMost(places.taken, 12);
        for (const one of circuits) assert.isTrue(one.size > 0 || places.taken === 12 || !one.isFull);
      }
    }
  });
});
