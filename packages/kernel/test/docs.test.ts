import { readdirSync, readFileSync } from "node:fs";
import { Link, type LinkReader, ReactorGroup, TaskPolicy, Topology } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import * as Kernel from "../src/index.ts";
import { WAKES_PER_TURN } from "../src/run-queue.ts";
import { twoInlets } from "./examples/edge.ts";
import { hangUp, stop } from "./examples/ends.ts";
import { shortOfMemory } from "./examples/memory.ts";
import { fullMailbox, makePeers, sync } from "./examples/peers.ts";
import { wordCount } from "./examples/pipeline.ts";
import { program } from "./examples/supervisor.ts";
import { drawing } from "./examples/topology.ts";
import { countWords } from "./examples/turns.ts";

const here = new URL(".", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, here), "utf8");
const examples = readdirSync(new URL("examples/", here)).map((name) => read(`examples/${name}`));

const pages = ["../../../docs/kernel.md", "../README.md"];

describe("what the documentation shows", () => {
  for (const page of pages) {
    it(`${page}: every block of code is a part of an example that runs here`, () => {
      const blocks = [...read(page).matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string);
      assert.isAbove(blocks.length, 0);
      for (const block of blocks) {
        assert.isTrue(
          examples.some((example) => example.includes(block)),
          `not in any example:\n${block}`,
        );
      }
    });
  }

  it("names each of the kernel's times and limits with its value", () => {
    const page = read("../../../docs/kernel.md");
    for (const [name, value] of Object.entries({ ...Kernel, WAKES_PER_TURN })) {
      if (/^[A-Z_]+$/.test(name) && typeof value !== "object") {
        assert.include(page, `| \`${name}\` | ${value} |`);
      }
    }
  });

  it.effect("turns: counts the words, and ends with the link", () =>
    Effect.gen(function* () {
      const { counts, cause } = yield* countWords;
      assert.isTrue(cause._tag === "ReactorEnded" && cause.reactor === "counter");
      assert.deepStrictEqual(
        [...counts],
        [
          ["to", 2],
          ["be", 1],
          ["released", 1],
        ],
      );
    }),
  );

  it.effect("pipeline: counts the words, and ends with the reactor that has the result", () =>
    Effect.gen(function* () {
      const { cause } = yield* wordCount;
      assert.isTrue(cause._tag === "ReactorEnded" && cause.exit._tag === "Success");
      assert.deepStrictEqual(
        cause._tag === "ReactorEnded" && cause.exit._tag === "Success" ? cause.exit.value : undefined,
        new Map([
          ["to", 2],
          ["be", 2],
          ["or", 1],
          ["not", 1],
        ]),
      );
    }),
  );

  it.effect("ends: tells causes apart, and releases whatever they are", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* hangUp, {
        log: ["connect", "hello", "disconnect"],
        end: "connection ended with Failure",
        closed: true,
      });
      assert.deepStrictEqual(yield* stop, { log: ["connect", "disconnect"], end: "stopped: idle" });
    }),
  );

  it.effect("edge: reads a buffer and a link by one signal", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* twoInlets, ["command flush", "3 bytes", "5 bytes"]);
    }),
  );

  it.live("memory: whoever has held the oldest bytes lets go", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shortOfMemory, { stalled: 0, busy: 500, freed: [550] });
    }),
  );

  it.effect("supervisor: tries again what may pass, and ends for what may not", () =>
    Effect.gen(function* () {
      const supervisor = yield* program;
      yield* TestClock.adjust("10 seconds");
      assert.deepStrictEqual(
        supervisor.tasks().map(({ name, status, restarts }) => [name, status, restarts]),
        [
          ["server", "running", 0],
          ["fetcher", "running", 2],
        ],
      );
      yield* TestClock.adjust("1 minute");
      const { cause } = yield* supervisor.ended;
      assert.isTrue(cause._tag === "TaskFailed" && cause.task === "server" && cause.why === "policy");
    }),
  );

  it.effect("mailbox: does what each kind's policy says when it is full", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* fullMailbox, ["coalesced", "dropped", "full"]);
    }),
  );

  it.effect("peers: ends one peer's session, and leaves the other alone", () =>
    Effect.gen(function* () {
      const peers = yield* makePeers;
      const table = new Map<string, number>();
      const [fromAlice, fromBob] = [yield* Link.make<string>("alice"), yield* Link.make<string>("bob")];
      const start = (peer: string, frames: LinkReader<string>) => peers.start(sync(table, frames), peer);
      const alice = yield* start("alice", fromAlice.reader);
      yield* start("bob", fromBob.reader);
      const carol = yield* start("carol", fromBob.reader);
      assert.strictEqual((yield* carol.ended).end._tag, "LocalReject");
      yield* fromAlice.writer.offer("garbage");
      assert.strictEqual((yield* alice.ended).end._tag, "ProtocolReject");
      assert.deepStrictEqual([...table.keys()], ["bob"]);
    }),
  );

  it.effect("topology: draws what runs", () =>
    Effect.gen(function* () {
      yield* ReactorGroup.make({ name: "seen" });
      const supervisor = yield* Kernel.Supervisor.make({ name: "s" });
      yield* supervisor.start({ name: "task", run: Effect.never }, TaskPolicy.fatal);
      const text = yield* drawing;
      assert.match(text, /^flowchart LR\n/);
      assert.include(text, '["seen"]');
    }).pipe(Effect.provideService(Topology.Registry, Topology.makeUnsafe())),
  );
});
