import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProxyServer, TorClientService, TunnelInfo } from "@allium/client";
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { circuitsTable } from "../src/circuits-table.ts";
import type { StatusSources } from "../src/status-report.ts";
import { readStatus, serveStatus } from "../src/status-socket.ts";

const hop = (nickname: string, digit: string) => ({
  fingerprint: digit.repeat(40),
  nickname,
  address: `192.0.2.${digit}:9001`,
});

const tunnel = (id: number, changes: Partial<TunnelInfo> = {}): TunnelInfo => ({
  id,
  purpose: "exit",
  state: "open",
  legs: [
    {
      circuit: `circuit ${id}`,
      hops: [hop("guard", "1"), hop("middle", "2"), hop("exit", "3")],
      rttMillis: 41.6,
      window: 200,
    },
  ],
  createdAt: 1_000_000,
  dirtySince: undefined,
  streams: 2,
  isolated: false,
  ...changes,
});

const sources = (tunnels: ReadonlyArray<TunnelInfo>): StatusSources => ({
  client: {
    status: () => ({ phase: "ready", progress: 1, waitsFor: "done", trouble: undefined }),
    tunnels: () => tunnels,
  } as unknown as TorClientService,
  proxy: {
    endpoints: [{ host: "127.0.0.1", port: 9150 }],
    counts: () => ({ connections: 1, negotiating: 0, streams: 1, refused: 0, up: 10, down: 20 }),
    drain: Effect.void,
  } satisfies ProxyServer,
  dns: undefined,
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "allium-status-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe("the circuits of a running proxy", () => {
  it.live("are told to who holds the data directory, and to nobody else", () =>
    Effect.gen(function* () {
      yield* serveStatus(directory, sources([tunnel(1), tunnel(2, { state: "building", legs: [] })]));
      assert.strictEqual(statSync(join(directory, "status.sock")).mode & 0o777, 0o600);
      const { text, report } = yield* readStatus(directory);
      assert.deepInclude(JSON.parse(text), { pid: process.pid, socks: "127.0.0.1:9150", dns: null });
      assert.deepInclude(JSON.parse(text).proxy, { down: 20 });
      assert.lengthOf(report.tunnels, 2);
      assert.strictEqual(report.tunnels[0]?.legs[0]?.hops[0]?.nickname, "guard");
    }).pipe(Effect.scoped),
  );

  it.live("are not told where something else is asked for", () =>
    Effect.gen(function* () {
      yield* serveStatus(directory, sources([]));
      const status = yield* Effect.callback<number | undefined>((resume) => {
        get({ socketPath: join(directory, "status.sock"), path: "/other" }, (answer) => {
          answer.resume();
          resume(Effect.succeed(answer.statusCode));
        });
      });
      assert.strictEqual(status, 404);
    }).pipe(Effect.scoped),
  );

  it.live("are told by the client that took over from one that was killed", () =>
    Effect.gen(function* () {
      const left = createServer();
      yield* Effect.callback<void>((resume) => {
        left.listen(join(directory, "status.sock"), () => resume(Effect.void));
      });
      yield* serveStatus(directory, sources([tunnel(7)]));
      assert.strictEqual((yield* readStatus(directory)).report.tunnels[0]?.id, 7);
      left.close();
    }).pipe(Effect.scoped),
  );

  it.live("are not there without a proxy, or with one that says something else", () =>
    Effect.gen(function* () {
      const none = yield* Effect.flip(readStatus(directory));
      assert.strictEqual(
        none.message,
        `no client runs in ${directory} that can be asked: start one with \`allium-client proxy\``,
      );
      const server = createServer((socket) => void socket.end("HTTP/1.0 200 OK\r\n\r\n{}"));
      yield* Effect.callback<void>((resume) => {
        server.listen(join(directory, "status.sock"), () => resume(Effect.void));
      });
      const other = yield* Effect.flip(readStatus(directory));
      assert.include(other.message, "Missing key");
      server.close();
    }),
  );

  it.live("are not served where the path is too long for a socket, and the proxy runs all the same", () =>
    Effect.gen(function* () {
      const deep = join(directory, "x".repeat(90));
      mkdirSync(deep);
      chmodSync(deep, 0o700);
      yield* serveStatus(deep, sources([]));
      assert.include((yield* Effect.flip(readStatus(deep))).message, "no client runs");
    }).pipe(Effect.scoped),
  );
});

describe("the table of circuits", () => {
  const report = (tunnels: ReadonlyArray<TunnelInfo>) => ({
    now: 1_000_000 + 3 * 60_000,
    socks: "127.0.0.1:9150",
    bootstrap: { phase: "ready", progress: 1, waitsFor: "done" },
    tunnels: JSON.parse(JSON.stringify(tunnels)),
  });

  it("has a line for each leg, the guard first", () => {
    const linked = tunnel(2, {
      isolated: true,
      streams: 0,
      legs: [
        { circuit: "a", hops: [hop("guard", "1"), hop("exit", "3")], rttMillis: 20, window: 124 },
        { circuit: "b", hops: [hop("", "2")], rttMillis: undefined, window: undefined },
      ],
    });
    assert.strictEqual(
      circuitsTable(report([tunnel(1), linked, tunnel(30, { purpose: "directory", state: "building", legs: [] })])),
      [
        "TUNNEL  FOR             STATE     AGE    STREAMS  LEG  RTT    WINDOW  PATH",
        "1       exit            open      3 min  2        1    42 ms  200     guard (192.0.2.1:9001) → middle (192.0.2.2:9001) → exit (192.0.2.3:9001)",
        "2       exit, isolated  open      3 min  0        1    20 ms  124     guard (192.0.2.1:9001) → exit (192.0.2.3:9001)",
        "                                                  2    -      -       192.0.2.2:9001",
        "30      directory       building  3 min  2        -    -      -       -",
      ].join("\n"),
    );
  });

  it("says how far a client has come that is not ready", () => {
    const early = { ...report([]), bootstrap: { phase: "consensus", progress: 0.154, waitsFor: "loading it" } };
    assert.strictEqual(circuitsTable(early), "15 %: loading it\nno circuits");
  });
});
