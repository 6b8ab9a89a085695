import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  type AlliumRelay,
  formatRequest,
  type Origin,
  type OriginRequest,
  socksConnect,
  type TorNetwork,
  type TorNode,
  waitForConnection,
  withTimeout,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { ask, startWithAllium, texts } from "./support/allium.ts";
import { assertCarriesMany } from "./support/many-transfers.ts";

describeWithTor("Allium as the only exit of a tor network", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;
  let client: TorNode;

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({ exits: 0, relays: 2 }));
    origin = await network.childOrigin();
    client = network.clients[0]!;
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  it("carries 200 transfers of 0 B to 20 MB both ways, 50 at a time, byte for byte", async () => {
    await assertCarriesMany(allium, (isolation) => client.socks(isolation), origin);
    const ends = (await origin.connections()).map(({ mode, end }) => `${mode} ${end}`);
    assert.deepStrictEqual([...new Set(ends)], ["transfer done"]);
  });

  /**
   * Bytes that come before the end of a stream whose client sends in vain. It sends all at once and nothing later: a write that
   * meets the daemon's end would cost this process what it has not read. What the daemon has not read of it when the end comes
   * makes it drop what the system has not taken yet: so it is little enough to be read while 70 kB come.
   */
  const receivedWhileSending = async (isolation: string, request: OriginRequest, sent: number): Promise<number> => {
    const socket = await socksConnect(client.socks(isolation), origin.host, origin.port);
    let received = 0;
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    socket.write(Buffer.concat([Buffer.from(formatRequest(request)), Buffer.alloc(sent)]));
    assert.strictEqual(socket.writableLength, 0, "the system did not take it all at once");
    await withTimeout(new Promise((resolve) => socket.once("close", resolve)), 120_000, "the end of the stream");
    return received;
  };

  it("delivers all that the origin sent before it closed, whatever the client is still sending", async () => {
    const sizes = [1, 498, 499, 60_000, 70_000, 1_000_000, 3_000_000];
    const plan = sizes.flatMap((down) => [0, 40_000].map((sent) => ({ down, sent })));
    const received = await Promise.all(
      // A circuit for each: its window lets all that is sent leave.
      plan.map(({ down, sent }) => receivedWhileSending(`close ${down} ${sent}`, { mode: "early-close", down }, sent)),
    );
    assert.deepStrictEqual(
      received,
      plan.map(({ down }) => down),
    );
  });

  it("delivers what came before the origin broke the connection, whatever the client is still sending", async () => {
    const sizes = [1, 498, 499, 60_000];
    const plan = sizes.flatMap((down) => [0, 40_000].map((sent) => ({ down, sent })));
    const received = await Promise.all(
      plan.map(({ down, sent }) => receivedWhileSending(`reset ${down} ${sent}`, { mode: "reset", down }, sent)),
    );
    assert.deepStrictEqual(
      received,
      plan.map(({ down }) => down),
    );
  });

  it("delivers all that the client sent before it closed", async () => {
    const sizes = [1, 498, 499, 70_000, 1_000_003, 3_000_001];
    await Promise.all(
      sizes.map(async (up) => {
        const socket = await socksConnect(client.socks(), origin.host, origin.port);
        socket.write(formatRequest({ mode: "early-close", up }));
        socket.end(Buffer.alloc(up));
        const seen = await waitForConnection(origin, ({ bytesIn, open }) => bytesIn === up && !open, 60_000);
        assert.strictEqual(seen.end, "done");
        socket.destroy();
      }),
    );
  });

  it("breaks the client's stream when the origin breaks the connection", async () => {
    const socket = await socksConnect(client.socks(), origin.host, origin.port);
    const reader = ask(socket, { mode: "reset" });
    const ended = await reader.some(1).then(
      (chunk) => chunk === null,
      () => true,
    );
    assert.isTrue(ended);
    socket.destroy();
  });

  it("connects by name, to IPv4 and to IPv6 addresses", async () => {
    const whoami = async (host: string): Promise<string> => {
      const socket = await socksConnect(client.socks(), host, origin.port);
      const line = await ask(socket, { mode: "whoami" }).line();
      socket.destroy();
      return line;
    };
    assert.match(await whoami("127.0.0.1"), /^127\.0\.0\.1:\d+$/);
    assert.match(await whoami("origin.test"), /^(127\.0\.0\.1|::1):\d+$/);
    assert.isDefined(origin.host6, "this machine has no IPv6 loopback");
    assert.match(await whoami("::1"), /^::1:\d+$/);
  });

  it("leaves nothing to warn of in any log", () => {
    assert.deepStrictEqual(network.warnings(), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
