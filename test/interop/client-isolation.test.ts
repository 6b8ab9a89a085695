import { execFile } from "node:child_process";
import { Resolver } from "node:dns/promises";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { requireProgram } from "../network/availability.ts";
import {
  AlliumClient,
  eventually,
  httpConnect,
  localPorts,
  type Origin,
  type OriginConnection,
  socksConnect,
  socksResolve,
  socksResolvePtr,
  TorNetwork,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { ask, texts } from "./support/allium.ts";
import { clientReport, pathOf, tunnelsInUse } from "./support/client.ts";

/** How an application comes to an origin. */
interface Way {
  readonly to: Origin;
  readonly dial: (client: AlliumClient) => Promise<Socket>;
}

const run = promisify(execFile);

/** Far more than exits, so that it is next to certain that they do not all get the same one. */
const USERS = Array.from({ length: 14 }, (_, index) => `user${index}`);

describeWithTor("streams of allium-client, what tells them apart, and who resolves names", () => {
  let network: TorNetwork;
  let origin: Origin;
  let other: Origin;
  let client: AlliumClient;
  let sent = 0;

  beforeAll(async () => {
    // Where there is conflux, streams go on to several circuits as soon as some are linked.
    network = await TorNetwork.start({ clients: 0, relays: 2, exits: 3, consensusParams: { cfx_enabled: 0 } });
    [origin, other] = await Promise.all([network.localOrigin(), network.localOrigin()]);
    client = await AlliumClient.start(network, { dns: true });
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  const startClient = (name: string, isolation: Readonly<Record<string, boolean>>) =>
    AlliumClient.start(network, { name, extra: { isolation } });

  const bySocks = (options: {
    readonly user?: string;
    readonly password?: string;
    readonly host?: string;
    readonly to?: Origin;
  }): Way => {
    const { user, password = "", to = origin, host = to.host } = options;
    const isolation = user === undefined ? {} : { isolation: { user, password } };
    return { to, dial: ({ socksPort }) => socksConnect({ port: socksPort, ...isolation }, host, to.port) };
  };

  const byHttp = (headers: Readonly<Record<string, string>> = {}, host = origin.host): Way => ({
    to: origin,
    dial: ({ socksPort }) => httpConnect({ port: socksPort, headers }, host, origin.port),
  });

  /** Which exit has which local port now: who it is that an origin sees connect. */
  const exitsByPort = (): ReadonlyMap<number, string> =>
    new Map(
      network.exits.flatMap(({ pid, nickname }) => [...localPorts(pid)].map((port) => [port, nickname] as const)),
    );

  /** Opens a stream that stays open, and gives it with the address and port that the origin sees it come from. */
  const open = async ({ to, dial }: Way, through = client) => {
    const socket = await dial(through);
    // As many bytes as nobody else sends: that is how it is told at the origin.
    const bytes = ++sent;
    const reader = ask(socket, { mode: "echo" });
    socket.write(Buffer.alloc(bytes));
    await reader.exactly(bytes);
    reader.release();
    const mine = ({ open, bytesIn }: OriginConnection) => open && bytesIn === bytes;
    const remote = (await to.connections()).find(mine)?.remote;
    assert.isDefined(remote);
    const [, address, port] = /^(.*):(\d+)$/.exec(remote) ?? [];
    return { socket, address, port: Number(port) };
  };

  /** Opens a stream for a look at it. */
  const look = async (way: Way) => {
    const { socket, address, port } = await open(way);
    const exit = exitsByPort().get(port);
    socket.resetAndDestroy();
    return { address, exit };
  };

  /**
   * Opens streams in groups, all at once, and holds that those of a group share one tunnel, that no two groups do, and that the
   * exits at which the origin sees them are those of their tunnels. Gives these exits.
   */
  const shareByGroups = async (through: AlliumClient, groups: ReadonlyArray<ReadonlyArray<Way>>) => {
    const least = Math.max(...groups.map((ways) => ways.length));
    // A tunnel does not tell whose it is: each group gets a number of streams of its own.
    const plan = groups.map((ways, index) =>
      Array.from({ length: least + index }, (_, stream) => ways[stream % ways.length]!),
    );
    const streams = await Promise.all(plan.map((ways) => Promise.all(ways.map((way) => open(way, through)))));
    const tunnels = await tunnelsInUse(through);
    const exitAt = exitsByPort();
    assert.deepStrictEqual(
      tunnels.map((tunnel) => tunnel.streams).sort((left, right) => left - right),
      plan.map((ways) => ways.length),
    );
    const exits = streams.map((group) => {
      const tunnel = tunnels.find((candidate) => candidate.streams === group.length);
      const exit = tunnel && pathOf(tunnel).at(-1);
      assert.deepStrictEqual([...new Set(group.map(({ port }) => exitAt.get(port)))], [exit]);
      return exit;
    });
    // Without a word: an application that only says that it sends no more is waited for.
    for (const { socket } of streams.flat()) socket.resetAndDestroy();
    await eventually("the streams to be gone", async () => (await clientReport(through)).proxy.streams === 0);
    return exits;
  };

  const basic = (user: string, password: string) => ({
    "Proxy-Authorization": `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
  });

  it("gives the streams of different credentials different circuits, and those of the same one circuit", async () => {
    const exits = await shareByGroups(client, [
      [bySocks({}), bySocks({ host: "origin.test" }), bySocks({ to: other }), byHttp()],
      [bySocks({ user: "alice", password: "one" }), bySocks({ user: "alice", password: "one", to: other })],
      [bySocks({ user: "alice", password: "two" })],
      [bySocks({ user: "bob", password: "one" })],
      [byHttp(basic("alice", "one"))],
      [byHttp(basic("tor-iso", "one"))],
      [byHttp({ "Tor-Stream-Isolation": "one" })],
      ...USERS.map((user) => [bySocks({ user, password: "same" })]),
    ]);
    assert.isAbove(new Set(exits).size, 1, exits.join());
  });

  it("keeps streams apart by destination, if it is told to", async () => {
    const isolating = await startClient("by-destination", { destination: true });
    await shareByGroups(isolating, [
      [bySocks({}), byHttp(), bySocks({ to: other })],
      [bySocks({ host: "origin.test" })],
      [bySocks({ host: "check.test" })],
    ]);
    assert.deepStrictEqual(await isolating.stop(), { code: 0, signal: null });
  });

  it("keeps streams apart by port and protocol and not by credentials, if it is told to", async () => {
    const isolating = await startClient("by-port", { port: true, protocol: true, credentials: false });
    await shareByGroups(isolating, [
      [bySocks({}), bySocks({ user: "alice" }), bySocks({ host: "origin.test" })],
      [bySocks({ to: other })],
      [byHttp(), byHttp(basic("alice", "one"))],
    ]);
    assert.deepStrictEqual(await isolating.stop(), { code: 0, signal: null });
  });

  it("leaves names to exits", async () => {
    network.names.setHost("once.test", "127.0.0.1");
    const asked = () => network.names.queries.get("once.test 1") ?? 0;
    const named = bySocks({ user: "names", host: "once.test" });
    assert.isDefined((await look(named)).exit);
    assert.strictEqual(asked(), 1);
    // What exits ask for by themselves, to see whether their name server answers, may come at any time.
    const all = () => [...network.names.queries].filter(([question]) => !question.startsWith("check.test")).join();
    const before = all();
    // The exit remembers the name, and an address is nothing to ask for.
    await look(named);
    assert.isDefined((await look(bySocks({ user: "names" }))).exit);
    assert.strictEqual(all(), before);
  });

  it("reaches IPv6 destinations, and those of the family that was asked for", async () => {
    assert.isDefined(origin.host6, "this machine has no IPv6 loopback");
    network.names.set("six.test", [{ type: "AAAA", value: "::1" }]);
    const addressOf = async (way: Way) => (await look(way)).address;
    assert.strictEqual(await addressOf(bySocks({ host: "::1" })), "::1");
    assert.strictEqual(await addressOf(bySocks({ host: "six.test" })), "::1");
    assert.strictEqual(await addressOf(byHttp({}, "::1")), "::1");
    const preferring = (family: string) => addressOf(byHttp({ "Tor-Family-Preference": family }, "origin.test"));
    assert.strictEqual(await preferring("ipv6-preferred"), "::1");
    assert.strictEqual(await preferring("ipv4-preferred"), "127.0.0.1");
  });

  it("answers RESOLVE and RESOLVE_PTR, also as tor-resolve asks", async () => {
    network.names.setHost("four.test", "198.51.100.4");
    network.names.setHost("six-only.test", "2001:db8::6");
    const proxy = client.socks();
    assert.strictEqual(await socksResolve(proxy, "four.test"), "198.51.100.4");
    assert.strictEqual(await socksResolve(proxy, "six-only.test"), "2001:db8::6");
    assert.strictEqual(await socksResolvePtr(proxy, "198.51.100.4"), "four.test");
    assert.strictEqual(await socksResolvePtr(proxy, "2001:db8::6"), "six-only.test");
    const torResolve = async (...asked: ReadonlyArray<string>) =>
      (await run(requireProgram("tor-resolve"), [...asked, `127.0.0.1:${client.socksPort}`])).stdout.trim();
    assert.strictEqual(await torResolve("four.test"), "198.51.100.4");
    assert.strictEqual(await torResolve("-4", "four.test"), "198.51.100.4");
    assert.strictEqual(await torResolve("-x", "198.51.100.4"), "four.test");
    const unknown = await torResolve("nowhere.test").catch(({ stderr }: { readonly stderr: string }) => stderr);
    assert.include(unknown, "Got SOCKS5 status response");
  });

  it("answers questions of DNS", async () => {
    network.names.set("both.test", [
      { type: "A", value: "198.51.100.9" },
      { type: "AAAA", value: "2001:db8::9" },
    ]);
    network.names.setHost("pointed.test", "198.51.100.8", "2001:db8::8");
    const resolver = new Resolver({ timeout: 30_000, tries: 1 });
    resolver.setServers([`127.0.0.1:${client.dnsPort}`]);
    const code = (error: NodeJS.ErrnoException) => error.code;
    assert.deepStrictEqual(await resolver.resolve4("both.test"), ["198.51.100.9"]);
    assert.deepStrictEqual(await resolver.resolve6("both.test"), ["2001:db8::9"]);
    assert.deepStrictEqual(await resolver.reverse("198.51.100.8"), ["pointed.test"]);
    assert.deepStrictEqual(await resolver.reverse("2001:db8::8"), ["pointed.test"]);
    assert.strictEqual(await resolver.resolve4("nowhere.test").catch(code), "ENOTFOUND");
    assert.strictEqual(await resolver.resolveMx("both.test").catch(code), "ENOTIMP");
    const [answer] = await resolver.resolve4("both.test", { ttl: true });
    assert.isAbove(answer?.ttl ?? 0, 0);
  });

  it("leaves nothing to warn of in any log", async () => {
    assert.deepStrictEqual(await client.stop(), { code: 0, signal: null });
    // That of alice, who wants it so.
    const obsolete = /isolates its streams by a Proxy-Authorization whose user is neither tor nor tor-iso/;
    assert.deepStrictEqual(texts(client.warnings([obsolete])), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
