import type { BootstrapStatus, ClientEvent } from "@allium/client";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { TestConsole } from "effect/testing";
import { describeTrouble, showBootstrap } from "../src/bootstrap-progress.ts";
import { ProgressLine } from "../src/progress.ts";

/** A terminal that keeps what is written to it. */
const terminal = (isTTY: boolean, columns = 80) => {
  const written: Array<string> = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
};

describe("a progress line", () => {
  it("is a bar with what is waited for, as long as the terminal is wide", () => {
    const screen = terminal(true, 60);
    const line = new ProgressLine(screen);
    line.show(0.5, "loading the consensus");
    line.show(0.5, "loading the consensus");
    line.show(undefined, "12 KiB");
    line.show(1, "x".repeat(100));
    line.clear();
    assert.deepStrictEqual(screen.written, [
      "\r\u001b[K[############------------]  50 %  loading the consensus",
      "\r\u001b[K12 KiB",
      `\r\u001b[K[########################] 100 %  ${"x".repeat(25)}`,
      "\r\u001b[K",
    ]);
  });

  it("makes way for others, and comes back", () => {
    const screen = terminal(true);
    const line = new ProgressLine(screen);
    line.show(undefined, "waiting");
    line.around(() => screen.write("a line of the log\n"));
    assert.deepStrictEqual(screen.written.slice(1), ["\r\u001b[K", "a line of the log\n", "\r\u001b[Kwaiting"]);
  });

  it("is as long as most terminals are where nobody knows how wide this one is", () => {
    const screen = terminal(true, 0);
    new ProgressLine(screen).show(undefined, "x".repeat(100));
    assert.strictEqual(screen.written[0]?.length, "\r\u001b[K".length + 79);
  });

  it("is not where there is no terminal", () => {
    const file = terminal(false);
    const line = new ProgressLine(file);
    line.show(0.5, "waiting");
    line.clear();
    assert.deepStrictEqual(file.written, []);
  });
});

const status = (changes: Partial<BootstrapStatus>): ClientEvent => ({
  _tag: "Bootstrap",
  status: { phase: "consensus", progress: 0.15, waitsFor: "loading the consensus", trouble: undefined, ...changes },
});

const noNetwork = { problem: "no-network", detail: "no cable", since: 0, final: false } as const;

describe("what a client tells of its bootstrap", () => {
  const shown = (isTTY: boolean, events: ReadonlyArray<ClientEvent>) =>
    Effect.gen(function* () {
      const screen = terminal(isTTY);
      yield* showBootstrap({ events: Stream.fromIterable(events) }, new ProgressLine(screen));
      // Each message comes behind its time, its level and its fiber.
      const said = (yield* TestConsole.logLines).map(String);
      const lines = said.flatMap((line, at) =>
        at % 2 === 0 ? [`${/ (\w+) \(/.exec(line)?.[1]} ${said[at + 1]}`] : [],
      );
      return { lines, written: screen.written };
    });

  const history = [
    status({}),
    status({ progress: 0.2 }),
    status({ trouble: noNetwork }),
    status({ trouble: noNetwork, progress: 0.3 }),
    status({ phase: "ready", progress: 1, waitsFor: "done" }),
    status({ phase: "circuit", progress: 0.9, waitsFor: "building a circuit" }),
  ];

  it.effect("is a line of the log for each phase and each trouble", () =>
    Effect.gen(function* () {
      const { lines, written } = yield* shown(false, history);
      assert.deepStrictEqual(lines, [
        "INFO bootstrap 15 %: loading the consensus",
        "WARN no network: no cable",
        "INFO bootstrapped: circuits can be built",
        "WARN no longer ready; bootstrap 90 %: building a circuit",
      ]);
      assert.deepStrictEqual(written, []);
    }),
  );

  it.effect("is a bar on a terminal, and the troubles are in the log all the same", () =>
    Effect.gen(function* () {
      const { lines, written } = yield* shown(true, history.slice(0, 5));
      assert.lengthOf(lines, 2);
      assert.include(written.join(""), "15 %  loading the consensus");
      assert.include(written.join(""), "15 %  no network");
      assert.strictEqual(written.at(-1), "\r\u001b[K");
    }),
  );

  it("has words for every trouble", () => {
    for (const problem of [
      "no-network",
      "clock",
      "no-directory",
      "old-consensus",
      "no-guard",
      "protocols",
      "no-path",
    ] as const)
      assert.match(describeTrouble({ problem, detail: "why" }), /^[a-z ]+: why$/);
  });
});
