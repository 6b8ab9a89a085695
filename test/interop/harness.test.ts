import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer, connect as tcpConnect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { ControlParser, ControlSyntaxError, parseEvent } from "../network/control-protocol.ts";
import {
  builtOrFailed,
  CircuitFailedError,
  ControlError,
  describeFailures,
  dialOrigin,
  EventStream,
  eventually,
  formatRequest,
  LocalOrigin,
  Meter,
  missingTor,
  type Origin,
  PinnedDialer,
  PortPool,
  processUsage,
  runTransfers,
  SocketReader,
  SocksError,
  scanLog,
  socksConnect,
  socksResolve,
  socksResolvePtr,
  TorNetwork,
  type TorNode,
  TransferMismatchError,
  WaitTimeoutError,
  waitForConnection,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

/** The error that a promise is expected to reject with. */
const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.then(
    () => assert.fail("succeeded"),
    (error: unknown) => error,
  );

const assertSocksCode = async (promise: Promise<unknown>, ...codes: ReadonlyArray<number>): Promise<void> => {
  const error = await failureOf(promise);
  assert.instanceOf(error, SocksError);
  assert.include(codes, error.code);
};

/**
 * What a client of a `tor` exit hears of a refused connection. It should be 5, but `tor` 0.4.9 asks for the reason of a failed
 * non-blocking connect in a place where it no longer is, and mostly says END MISC, which is 1.
 */
const REFUSED = [5, 1] as const;

describeWithTor("a private network of tor daemons", () => {
  let network: TorNetwork;
  let origin: Origin;
  let client: TorNode;
  let exit: TorNode;

  beforeAll(async () => {
    network = await TorNetwork.start({
      relays: 2,
      // The shortest rounds that tor allows: a relay that joins is seen sooner.
      voting: { interval: 10, voteDelay: 2, distDelay: 2 },
    });
    origin = await network.localOrigin();
    client = network.clients[0]!;
    exit = network.exits[0]!;
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  it("lists every relay as running, with its own ports", async () => {
    const statuses = await client.routerStatuses();
    assert.sameMembers(
      statuses.map((status) => `${status.nickname} ${status.fingerprint} ${status.orPort}`),
      [...network.authorities, ...network.relays, exit].map(
        (node) => `${node.nickname} ${node.fingerprint} ${node.orPort}`,
      ),
    );
    const { status, rounds } = await network.waitForConsensus(exit.nickname, { flags: ["Running", "Valid", "Exit"] });
    assert.strictEqual(status.fingerprint, exit.fingerprint);
    assert.strictEqual(rounds, 0);
  });

  it("moves transfers of all sizes both ways, byte for byte", async () => {
    const meter = new Meter({ exit: exit.pid, client: client.pid });
    const report = await runTransfers({
      dial: dialOrigin(client.socks(), origin),
      count: 15,
      concurrency: 8,
      sizes: [0, 1, 498, 100_000, 2_000_000],
      directions: ["down", "up", "both"],
    });
    assert.strictEqual(describeFailures(report), "");
    assert.strictEqual(report.bytes, 4 * (0 + 1 + 498 + 100_000 + 2_000_000));
    assert.isAbove(meter.read().exit.cpuSeconds, 0);
    const seen = (await origin.connections()).filter((connection) => connection.mode === "transfer");
    assert.deepStrictEqual([...new Set(seen.map((connection) => connection.end))], ["done"]);
  });

  it("resolves names forward and back, and tells which do not exist", async () => {
    network.names.setHost("documented.test", "198.51.100.7");
    assert.strictEqual(await socksResolve(client.socks(), "documented.test"), "198.51.100.7");
    assert.strictEqual(await socksResolvePtr(client.socks(), "198.51.100.7"), "documented.test");
    await assertSocksCode(socksResolve(client.socks(), "nowhere.test"), 4);
  });

  it("connects by name and by IPv6 address, and gives the exit's refusal", async () => {
    const whoami = async (host: string): Promise<string> => {
      const socket = await socksConnect(client.socks("by-name"), host, origin.port);
      socket.write(formatRequest({ mode: "whoami" }));
      const line = await new SocketReader(socket).line();
      socket.destroy();
      return line;
    };
    assert.match(await whoami("origin.test"), /^(127\.0\.0\.1|::1):\d+$/);
    if (origin.host6 !== undefined) assert.match(await whoami(origin.host6), /^::1:\d+$/);
    await assertSocksCode(socksConnect(client.socks(), "127.0.0.1", await network.ports.take()), ...REFUSED);
  });

  it("shows how connections end: early, broken, stalled, slow", async () => {
    const open = async (request: Parameters<typeof formatRequest>[0]) => {
      const socket = await socksConnect(client.socks(), origin.host, origin.port);
      socket.write(formatRequest(request));
      return { socket, reader: new SocketReader(socket) };
    };
    const early = await open({ mode: "early-close", down: 70_000 });
    assert.strictEqual((await early.reader.exactly(70_000)).length, 70_000);
    assert.isNull(await early.reader.some(1));

    const broken = await open({ mode: "reset" });
    assert.strictEqual(((await failureOf(broken.reader.exactly(1))) as { _tag: string })._tag, "SocketEndedError");

    const stalled = await open({ mode: "stall" });
    await waitForConnection(origin, (connection) => connection.mode === "stall" && connection.open);
    stalled.socket.destroy();

    const slow = await open({ mode: "slow", down: 10_000, rate: 40_000 });
    const started = performance.now();
    await slow.reader.exactly(10_000);
    assert.isAbove(performance.now() - started, 150);
    slow.socket.destroy();
  });

  it("builds circuits over given relays and sends streams through them", async () => {
    const pinnedClient = await network.addClient();
    await using dialer = await PinnedDialer.open(pinnedClient);
    const path = [network.relays[1]!, network.relays[0]!, exit];
    const fingerprints = path.map((node) => node.fingerprint);
    const circuitId = await pinnedClient.control.buildCircuit(fingerprints);
    const status = await pinnedClient.control.getInfo("circuit-status");
    assert.include(status, path.map((node) => `$${node.fingerprint}~${node.nickname}`).join(","));

    const report = await runTransfers({
      dial: () => dialer.connect({ circuitId }, origin.host, origin.port),
      count: 4,
      concurrency: 4,
      sizes: [100_000],
      directions: ["both"],
    });
    assert.strictEqual(describeFailures(report), "");
    await assertSocksCode(dialer.connect({ circuitId }, "127.0.0.1", await network.ports.take()), ...REFUSED);

    await using events = await pinnedClient.control.events("CIRC");
    await pinnedClient.control.closeCircuit(circuitId);
    const closed = await failureOf(events.until(builtOrFailed(circuitId), 30_000, "the circuit's end"));
    assert.instanceOf(closed, CircuitFailedError);
    assert.strictEqual(closed.reason, "REQUESTED");

    const unknown = await failureOf(pinnedClient.control.buildCircuit(["0".repeat(40)]));
    assert.instanceOf(unknown, ControlError);
    assert.strictEqual(unknown.code, 552);
  });

  it("sees a relay join, and die", async () => {
    const late = await network.addRelay({ nickname: "late" });
    const { status, rounds } = await network.waitForConsensus("late", { flags: ["Running", "Valid", "Fast", "Guard"] });
    assert.strictEqual(status.orPort, late.orPort);
    assert.isAtLeast(rounds, 1);
    await late.kill();
    assert.isFalse(late.running);
    assert.isUndefined(processUsage(late.pid));
  });

  it("has nothing to warn of", () => {
    assert.deepStrictEqual(network.warnings([/late/]), []);
  });
});

describe("the harness without tor", () => {
  it("finds warnings in a log, and leaves out those that are allowed", async () => {
    const file = join(await mkdtemp(join(tmpdir(), "allium-scan-")), "log");
    writeFileSync(
      file,
      [
        "Nov 21 11:00:00.000 [notice] Bootstrapped 100% (done): Done",
        "Nov 21 11:00:00.000 [warn] TestingTorNetwork is set. This will make your node almost unusable",
        "Nov 21 11:00:01.000 [warn] Circuit id 5 already in use",
        "Nov 21 11:00:02.000 [err] Bug: unreachable",
        "timestamp=2026-11-21T11:00:03Z level=ERROR fiber=#1 message=boom",
      ].join("\n"),
    );
    assert.deepStrictEqual(
      scanLog(file, [/boom/]).map(({ line }) => line),
      [3, 4],
    );
    rmSync(dirname(file), { recursive: true });
  });

  it("says which programs are missing", () => {
    assert.deepStrictEqual(missingTor(["/nonexistent"]), ["tor", "tor-gencert"]);
  });

  it("gives up waiting in time, and loses no event by it", async () => {
    const events = new EventStream<number>();
    const late = await failureOf(events.until((item) => item, 20, "an item"));
    assert.instanceOf(late, WaitTimeoutError);
    events.push(1);
    events.push(2);
    assert.strictEqual(await events.until((item) => (item === 2 ? item : undefined), 20, "two"), 2);
    events.end();
    assert.instanceOf(await failureOf(events.until((item) => item, 20, "an item")), WaitTimeoutError);
    const vain = eventually("a thing", () => undefined, { timeoutMs: 20, detail: () => "nothing" });
    const error = await failureOf(vain);
    assert.instanceOf(error, WaitTimeoutError);
    assert.include(error.message, "a thing: nothing");
  });

  it("refuses what is not the control protocol", () => {
    assert.throws(() => new ControlParser().push("HTTP/1.1 200 OK\r\n"), ControlSyntaxError);
    const [message] = new ControlParser().push("650+NEWCONSENSUS\r\nr a\r\n..dot\r\n.\r\n650 OK\r\n");
    assert.strictEqual(parseEvent(message!).data, "r a\n.dot");
  });

  it("hands out no port twice", async () => {
    await using left = new PortPool();
    await using right = new PortPool();
    const ports = await Promise.all(Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? left : right).take()));
    assert.strictEqual(new Set(ports).size, 60);
  });

  it("notices a single wrong byte, in either direction", async () => {
    await using ports = new PortPool();
    await using origin = await LocalOrigin.start(await ports.take());
    const direct = () => {
      const socket = tcpConnect(origin.port, origin.host);
      return once(socket, "connect").then(() => socket);
    };
    const good = await runTransfers({ dial: direct, count: 3, sizes: [70_000], directions: ["down", "up", "both"] });
    assert.strictEqual(describeFailures(good), "");

    const port = await ports.take();
    const forwarder = createServer((near) => {
      const far = tcpConnect(origin.port, origin.host);
      const flipped = (bytes: Buffer): Buffer => {
        if (bytes.length > 2000) bytes[1500]! ^= 1;
        return bytes;
      };
      near.on("data", (bytes) => far.write(flipped(bytes as Buffer)));
      far.on("data", (bytes) => near.write(flipped(bytes as Buffer)));
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
      for (const socket of [near, far]) socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => forwarder.listen(port, "127.0.0.1", resolve));
    const bad = await runTransfers({
      dial: () => {
        const socket = tcpConnect(port, "127.0.0.1");
        return once(socket, "connect").then(() => socket);
      },
      count: 2,
      sizes: [70_000],
      directions: ["down", "up"],
    });
    forwarder.close();
    for (const result of bad.results) assert.instanceOf(result.error, TransferMismatchError);
  });

  it("leaves neither process nor directory behind when its own process is killed", async () => {
    const victim = spawn(process.execPath, [fileURLToPath(new URL("../network/killed-run.ts", import.meta.url))], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [output] = (await once(victim.stdout, "data")) as [Buffer];
    const { pid, directory } = JSON.parse(output.toString()) as { pid: number; directory: string };
    assert.isDefined(processUsage(pid));
    assert.isTrue(existsSync(directory));

    victim.kill("SIGKILL");
    const isGone = () => processUsage(pid) === undefined && !existsSync(directory);
    await eventually("both to be gone", isGone);
  });
});
