import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  AlliumClient,
  dialOrigin,
  eventually,
  formatRequest,
  type Origin,
  pause,
  runTransfers,
  socksConnect,
  TorNetwork,
  type TorNode,
} from "../network/index.ts";
import { SeededData } from "../network/seeded-data.ts";
import { describeWithTor } from "../network/vitest.ts";
import { clientReport, pathOf, tunnelsInUse } from "./support/client.ts";

const POSITIONS = ["guard", "middle", "exit"] as const;

const SIZE = 60_000_000;
/** So much has come before something happens: more than is on its way in buffers is left. */
const BEFORE = 1_000_000;

/** How long the first answer of an exit is waited for: the first of STREAM_TIMEOUTS. */
const FIRST_STREAM_TIMEOUT = 10_000;

/** A build timeout that does not take a minute: relays that hang are known by it. */
const BUILD_TIMEOUT = 5_000;

/** Chance may lead many paths through the relay that hangs, one after the other. In seconds. */
const PATIENCE = 250;

describeWithTor("a client whose relays fail", () => {
  let network: TorNetwork;
  let client: AlliumClient;
  let origin: Origin;
  let before: ReadonlyArray<string>;

  beforeAll(async () => {
    network = await TorNetwork.start({
      clients: 0,
      relays: 4,
      exits: 3,
      consensusParams: { cfx_enabled: 0, cbtinitialtimeout: BUILD_TIMEOUT },
      equalBandwidths: true,
    });
    client = await AlliumClient.start(network, {
      extra: { log_level: "debug", tunnels: { request_timeout: PATIENCE } },
    });
    origin = await network.childOrigin();
    await assertWorks("to begin with");
    await idle();
    before = otherDescriptors();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  /** Asserts that whoever asks now is served. */
  const assertWorks = async (isolation: string): Promise<void> => {
    const { failures } = await runTransfers({
      dial: dialOrigin({ ...client.socks(isolation), timeoutMs: PATIENCE * 1000 }, origin),
      count: 4,
      concurrency: 2,
      sizes: [50_000],
      directions: ["both"],
      timeoutMs: PATIENCE * 1000,
    });
    assert.deepStrictEqual(
      failures.map(({ error }) => String(error)),
      [],
      client.log().split("\n").slice(-25).join("\n"),
    );
  };

  /** Waits until no application is left. */
  const idle = () => eventually("no stream to be left", async () => (await clientReport(client)).proxy.streams === 0);

  /** File descriptors of the client but those of connections to relays. */
  const otherDescriptors = (): ReadonlyArray<string> => {
    const ports = new Set(network.nodes.map(({ orPort }) => orPort));
    const toRelays = new Set(
      readFileSync("/proc/net/tcp", "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , remote = ""]) => ports.has(Number.parseInt(remote.split(":")[1] ?? "", 16)))
        .map((fields) => `socket:[${fields[9]}]`),
    );
    const descriptors = `/proc/${client.pid}/fd`;
    return readdirSync(descriptors).flatMap((fd) => {
      try {
        const target = readlinkSync(`${descriptors}/${fd}`);
        // A thread that works on a consensus has an event loop, of such and of pipes, and comes and goes.
        return /^(anon_inode|pipe):/.test(target) || toRelays.has(target) ? [] : [target];
      } catch {
        return [];
      }
    });
  };

  /** Asserts that nothing is left of what was. */
  const assertNothingLeft = async (): Promise<void> => {
    await idle();
    await eventually("descriptors to be closed", () => otherDescriptors().length <= before.length, {
      detail: () => `${otherDescriptors().join(" ")}, and before ${before.join(" ")}`,
    });
    const { tunnels } = await clientReport(client);
    assert.deepStrictEqual(
      tunnels.filter(({ purpose, streams }) => purpose !== "directory" && streams > 0),
      [],
    );
  };

  /** A download that is under way, and the relays that it comes through. */
  const downloading = async (isolation: string) => {
    const socket: Socket = await socksConnect(client.socks(isolation), origin.host, origin.port);
    const expected = new SeededData(7, SIZE);
    let received = 0;
    let isEqual = true;
    let rest: Buffer = Buffer.alloc(0);
    let error: NodeJS.ErrnoException | undefined;
    socket.on("error", (thrown: NodeJS.ErrnoException) => {
      error = thrown;
    });
    socket.on("data", (chunk: Buffer) => {
      for (let bytes = chunk; bytes.length > 0 && received < SIZE; ) {
        if (rest.length === 0) rest = expected.next() ?? Buffer.alloc(0);
        const length = Math.min(rest.length, bytes.length);
        isEqual &&= rest.subarray(0, length).equals(bytes.subarray(0, length));
        rest = rest.subarray(length);
        bytes = bytes.subarray(length);
        received += length;
      }
    });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.write(formatRequest({ mode: "transfer", down: SIZE, seed: 7 }));
    await eventually("the download to be under way", () => received > BEFORE);
    const [tunnel] = await tunnelsInUse(client);
    assert.isDefined(tunnel);
    const relays: ReadonlyArray<TorNode> = tunnel === undefined ? [] : pathOf(tunnel).map((name) => network.node(name));
    return {
      socket,
      tunnel: tunnel?.id,
      relays,
      closed,
      progress: () => ({ received, isEqual, code: error?.code }),
    };
  };

  /**
   * Waits for the end of a download. A `tor` whose channel is busy may keep a DESTROY back until something else goes the same way
   * (circuitmux_append_destroy_cell), however long that takes: so others ask for something meanwhile.
   */
  const ended = async (closed: Promise<void>): Promise<void> => {
    for (let round = 0; round < 60; round++) {
      if (await Promise.race([closed.then(() => true), pause(2_000).then(() => false)])) return;
      await assertWorks(`meanwhile ${round}`);
    }
    assert.fail("the download did not end");
  };

  for (const [position, role] of POSITIONS.entries())
    it(`resets a download behind the last byte when its ${role} is killed; the next request works`, async () => {
      const download = await downloading(`kill ${role}`);
      const relay = download.relays[position]!;
      await relay.kill();
      await ended(download.closed);
      const { received, isEqual, code } = download.progress();
      assert.strictEqual(code, "ECONNRESET");
      assert.isTrue(isEqual);
      assert.isBelow(received, SIZE);
      await assertWorks(`kill ${role}`);
      const { tunnels } = await clientReport(client);
      assert.isFalse(tunnels.some(({ id }) => id === download.tunnel));
      await relay.start();
      await relay.hasOwnDescriptor();
      await assertNothingLeft();
    });

  for (const [position, role] of POSITIONS.entries())
    it(`waits while the ${role} of a download hangs, leads others elsewhere, and loses nothing`, async () => {
      const download = await downloading(`hang ${role}`);
      const relay = download.relays[position]!;
      process.kill(relay.pid, "SIGSTOP");
      try {
        const begun = performance.now();
        await assertWorks(`hang ${role}`);
        assert.isAtLeast(performance.now() - begun, FIRST_STREAM_TIMEOUT);
        const { tunnels } = await clientReport(client);
        assert.strictEqual(tunnels.find(({ id }) => id === download.tunnel)?.state, "retired");
        assert.isUndefined(download.progress().code);
      } finally {
        process.kill(relay.pid, "SIGCONT");
      }
      await eventually("the rest to come", () => download.progress().received === SIZE, { timeoutMs: 120_000 });
      assert.deepStrictEqual(download.progress(), { received: SIZE, isEqual: true, code: undefined });
      download.socket.destroy();
      await assertWorks(`after ${role}`);
      await assertNothingLeft();
    });

  it("ends in order after all of it, and had nothing to warn of but directories that hung", async () => {
    assert.deepStrictEqual(await client.stop(), { code: 0, signal: null });
    assert.deepStrictEqual(
      client.warnings().filter(({ text }) => !text.includes("another directory is asked")),
      [],
    );
  });
});
