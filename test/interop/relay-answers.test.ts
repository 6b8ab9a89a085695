import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  type AlliumRelay,
  type ControlEvent,
  OPEN_EXIT_POLICY,
  type Origin,
  PinnedDialer,
  SOCKS_REPLIES,
  socksResolve,
  socksResolvePtr,
  type TorNetwork,
  type TorNode,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { socksCode, startWithAllium, texts } from "./support/allium.ts";

/** An address that both exits refuse. It is not in the summary that clients know: they find out by asking. */
const FORBIDDEN = "127.0.0.66";
const POLICY = [`reject ${FORBIDDEN}:*`, ...OPEN_EXIT_POLICY];

/** Multicast: no TCP connection to it can be had, and the platform says so at once. */
const UNREACHABLE = "224.0.0.1";

/** What a client learns of an attempt to connect. */
interface Refusal {
  /** The reason of the END cell, as control-spec spells it. */
  readonly end: string;
  /** The SOCKS reply. */
  readonly socks: string;
}

describeWithTor("what Allium's exit answers, beside a tor exit", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;
  let client: TorNode;
  let dialer: PinnedDialer;
  let circuits: { readonly allium: string; readonly tor: string };
  /** Clients that use one exit only, for what cannot be attached to a circuit of our choice. */
  let users: { readonly allium: TorNode; readonly tor: TorNode };

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({ exits: 1, relays: 2, policy: POLICY, exitPolicy: POLICY }));
    origin = await network.childOrigin();
    client = network.clients[0]!;
    const [ours, theirs] = await Promise.all([
      network.addClient({ extraTorrc: [["ExitNodes", "allium"]] }),
      network.addClient({ extraTorrc: [["ExitNodes", network.exits[0]!.nickname]] }),
    ]);
    users = { allium: ours, tor: theirs };
    const { status } = await network.waitForConsensus("allium", { at: client });
    await client.hasDescriptors([status.fingerprint]);
    dialer = await PinnedDialer.open(client);
    const through = (exit: string) =>
      client.control.buildCircuit([...network.relays.map((relay) => relay.fingerprint), exit]);
    circuits = {
      allium: await through(status.fingerprint),
      tor: await through(network.exits[0]!.fingerprint),
    };
  });

  afterAll(async () => {
    await dialer?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  const refusalOf = async (circuitId: string, host: string, port: number): Promise<Refusal> => {
    await using events = await client.control.events("STREAM");
    const code = await socksCode(dialer.connect({ circuitId }, host, port));
    // Of this stream: what is told of the one before may come late.
    let stream: string | undefined;
    const reason = ({ words: [id, status], fields }: ControlEvent): string | undefined => {
      if (status === "NEW") stream = id;
      return id === stream ? fields["REMOTE_REASON"] : undefined;
    };
    const end = await events.until(reason, 30_000, "the END of the stream");
    return { end, socks: SOCKS_REPLIES[code] ?? String(code) };
  };

  const refusals = async (host: string, port: number) => ({
    allium: await refusalOf(circuits.allium, host, port),
    tor: await refusalOf(circuits.tor, host, port),
  });

  it("refuses by policy as tor does", async () => {
    const { allium, tor } = await refusals(FORBIDDEN, origin.port);
    assert.deepStrictEqual(allium, tor);
    assert.deepStrictEqual(allium, { end: "EXITPOLICY", socks: "not allowed by ruleset" });
  });

  it("refuses by policy what a name leads to, as tor does", async () => {
    network.names.setHost("forbidden.test", FORBIDDEN);
    const { allium, tor } = await refusals("forbidden.test", origin.port);
    assert.deepStrictEqual(allium, tor);
    assert.deepStrictEqual(allium, { end: "EXITPOLICY", socks: "not allowed by ruleset" });
  });

  it("tells of an unreachable target as tor does", async () => {
    const { allium, tor } = await refusals(UNREACHABLE, origin.port);
    assert.deepStrictEqual(allium, tor);
    assert.deepStrictEqual(allium, { end: "NOROUTE", socks: "host unreachable" });
  });

  it("tells of a name that does not exist as tor does", async () => {
    const { allium, tor } = await refusals("nowhere.test", origin.port);
    assert.deepStrictEqual(allium, tor);
    assert.deepStrictEqual(allium, { end: "RESOLVEFAILED", socks: "host unreachable" });
  });

  it("tells of a refused connection", async () => {
    const { allium, tor } = await refusals("127.0.0.1", await network.ports.take());
    assert.deepStrictEqual(allium, { end: "CONNECTREFUSED", socks: "connection refused" });
    // The reason that the specification has for it. `tor` 0.4.9 means to give the same, but asks for the error of a failed
    // non-blocking connect where it no longer is, and mostly says MISC.
    assert.include(
      [allium, { end: "MISC", socks: "general failure" }].map((refusal) => JSON.stringify(refusal)),
      JSON.stringify(tor),
    );
  });

  it("does not let a stream back into the network, as tor does not", async () => {
    // By name: for an address the client refuses it itself.
    network.names.setHost("relay.test", "127.0.0.1");
    const { allium, tor } = await refusals("relay.test", network.relays[0]!.orPort);
    assert.deepStrictEqual(allium, tor);
    assert.deepStrictEqual(allium, { end: "CONNECTREFUSED", socks: "connection refused" });
  });

  it("resolves names forward and back, as tor does", async () => {
    network.names.setHost("documented.test", "198.51.100.7");
    network.names.setHost("modern.test", "2001:db8::7");
    for (const user of [users.allium, users.tor]) {
      assert.strictEqual(await socksResolve(user.socks(), "documented.test"), "198.51.100.7");
      assert.strictEqual(await socksResolvePtr(user.socks(), "198.51.100.7"), "documented.test");
      assert.strictEqual(await socksResolve(user.socks(), "modern.test"), "2001:db8::7");
      assert.strictEqual(await socksResolvePtr(user.socks(), "2001:db8::7"), "modern.test");
    }
  });

  it("tells which names and addresses do not resolve, as tor does", async () => {
    network.names.set("broken.test", "servfail");
    const codes = async (user: TorNode) => ({
      missing: await socksCode(socksResolve(user.socks(), "missing.test")),
      broken: await socksCode(socksResolve(user.socks(), "broken.test")),
      nameless: await socksCode(socksResolvePtr(user.socks(), "198.51.100.99")),
    });
    const [ours, theirs] = await Promise.all([codes(users.allium), codes(users.tor)]);
    assert.deepStrictEqual(ours, theirs);
    assert.strictEqual(SOCKS_REPLIES[ours.missing], "host unreachable");
  });

  it("leaves nothing to warn of in any log", () => {
    assert.deepStrictEqual(network.warnings(), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
