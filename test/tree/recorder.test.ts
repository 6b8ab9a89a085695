import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChannelCommand, RelayCommand } from "@allium/cell";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { create, createFast, type HostileCircuit } from "../hostile/circuit.ts";
import { authenticate, netinfoCell } from "../hostile/handshake.ts";
import { HostileRelay } from "../hostile/hostile-relay.ts";
import { makeIdentity, randomBytes } from "../hostile/identity.ts";
import { LinkPeer } from "../hostile/link-peer.ts";
import { type PlayArena, playRecording } from "../hostile/recording/play.ts";
import { parseRecording, type RecordedStep, type Recording, renderRecording } from "../hostile/recording/recording.ts";
import { startTapped, type TappedRelay } from "../hostile/recording/tapped-relay.ts";
import { circuitsOf, transcribe } from "../hostile/recording/transcribe.ts";
import { FORBIDDEN, isServed } from "../hostile/stage.ts";
import { PortPool } from "../network/index.ts";

const NOBODY = `DirAuthority nobody orport=1 no-v2 v3ident=${"A".repeat(40)} 127.0.0.1:2 ${"B".repeat(40)}\n`;

/** Steps without the number that each circuit's stream happens to have. */
const names = (steps: ReadonlyArray<RecordedStep>): ReadonlyArray<string> =>
  steps.map((step) => {
    if ("closes" in step) return `${step.from} closes`;
    const what = "cell" in step ? step.cell : `${step.message}${step.early === true ? " early" : ""}`;
    return `${step.from} ${what} ${step.circuit ?? ""} ${step.body ?? ""}`.trimEnd().replace(/ {2}/g, " ");
  });

// They build real channels: on a loaded machine that takes its time.
describe("the recorder", { timeout: 60_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "allium-recorder-"));
  const ports = new PortPool();
  let relay: TappedRelay;
  let arena: PlayArena;

  const played = async (steps: ReadonlyArray<RecordedStep>, peer: Recording["peer"] = "relay") => {
    const text = renderRecording({ title: "a test", tor: "none", made: "by a test", peer, steps });
    return await playRecording(parseRecording(text, "a test"), arena);
  };

  beforeAll(async () => {
    const resolvConf = join(directory, "resolv.conf");
    writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
    const dataDirectory = mkdtempSync(join(directory, "data-"));
    relay = await startTapped({ dataDirectory, port: await ports.take(), authorities: NOBODY, resolvConf });
    arena = {
      target: relay.target,
      identity: await makeIdentity(),
      ports: {},
      names: { authorities: [], microdescriptors: [] },
      freePort: () => ports.take(),
    };
  });

  afterAll(async () => {
    await relay?.[Symbol.asyncDispose]();
    await ports[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What is recorded of circuits that a peer uses. */
  const recorded = async (
    use: (peer: LinkPeer) => Promise<ReadonlyArray<HostileCircuit>>,
  ): Promise<ReadonlyArray<RecordedStep>> => {
    const before = relay.tap.events.length;
    const peer = await LinkPeer.connect(relay.target.port);
    try {
      for (const circuit of await use(peer)) assert.isTrue(await isServed(circuit));
    } finally {
      peer.destroy();
    }
    const events = relay.tap.events.slice(before);
    return transcribe(events, circuitsOf(events), []);
  };

  it("reads what a relay says, and what is said again is answered again", async () => {
    const steps = await recorded(async (peer) => {
      await authenticate(peer, await makeIdentity());
      return [await create(peer, relay.target, true), await create(peer, relay.target)];
    });
    const begin = `'${FORBIDDEN}:80' 0000000000`;
    assert.deepStrictEqual(names(steps), [
      "peer VERSIONS 00040005",
      "relay VERSIONS",
      "relay CERTS",
      "relay AUTH_CHALLENGE",
      "relay NETINFO",
      "peer CERTS {certs 2 4 7 6}",
      "peer AUTHENTICATE {authenticate}",
      "peer NETINFO {time} 04047f000001",
      "peer CREATE2 1 {ntor-v3 010100}",
      "relay CREATED2 1",
      "peer CREATE2 2 {ntor}",
      "relay CREATED2 2",
      `peer BEGIN 1 ${begin}`,
      "relay END 1 0d",
      `peer BEGIN 2 ${begin}`,
      "relay END 2 0d",
    ]);
    const answers = await played(steps);
    assert.deepStrictEqual(
      answers.map((line) => line.replace(/stream \d+/, "stream")),
      [
        "link: VERSIONS 00040005, CERTS, AUTH_CHALLENGE, NETINFO",
        "circuit 1, stream: END TORPROTOCOL",
        "circuit 1: created 0102011f, served",
        "circuit 2, stream: END TORPROTOCOL",
        "circuit 2: created 00, served",
        "neighbour served",
      ],
    );
  });

  it("reads what a client says", async () => {
    const steps = await recorded(async (peer) => {
      peer.send(Buffer.from("00000700020004", "hex"));
      await peer.take(8);
      peer.send(netinfoCell());
      return [await createFast(peer)];
    });
    assert.includeMembers([...names(steps)], ["peer NETINFO 0000000004047f000001", "peer CREATE_FAST 1 {random 20}"]);
    assert.include(await played(steps, "client"), "circuit 1: created 00, served");
  });

  it("reads what a client and the next relay say to each other, as far as it can be read", async () => {
    await using next = await HostileRelay.start(await ports.take());
    const steps = await recorded(async (peer) => {
      await authenticate(peer, await makeIdentity());
      const circuit = await create(peer, relay.target);
      circuit.extend(next.target);
      const far = await next.asked();
      far.peer.sendCell(far.circId, ChannelCommand.CREATED2, Buffer.concat([Buffer.of(0, 64), randomBytes(64)]));
      assert.isTrue(await circuit.receives(RelayCommand.EXTENDED2, 0));
      peer.sendCell(circuit.circId, ChannelCommand.RELAY_EARLY, randomBytes(509));
      await far.peer.take(ChannelCommand.RELAY_EARLY);
      far.peer.sendCell(far.circId, ChannelCommand.RELAY, randomBytes(509));
      await peer.until(() => circuit.events.find(({ hop }) => hop < 0), 5_000);
      peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(9));
      await far.peer.take(ChannelCommand.DESTROY);
      return [];
    });
    assert.deepStrictEqual(names(steps).slice(8), [
      "peer CREATE2 1 {ntor}",
      "relay CREATED2 1",
      "peer EXTEND2 early 1 030006 {next address} 0214 {next rsa} 0320 {next ed25519} 00020054 {random 84}",
      "relay VERSIONS",
      "next VERSIONS 00040005",
      "next CERTS {certs 2 4 7 5}",
      "next AUTH_CHALLENGE {random 32} 00010003",
      "next NETINFO {time} 04047f000001",
      "relay CERTS",
      "relay AUTHENTICATE",
      "relay NETINFO",
      "relay CREATE2 1",
      "next CREATED2 1 0040 {random 64}",
      "relay EXTENDED2 1",
      "peer RELAY_EARLY 1 {random 509}",
      "relay RELAY_EARLY 1",
      "next RELAY 1 {random 509}",
      "relay RELAY 1",
      "peer DESTROY 1 09",
      "relay DESTROY 1 0b",
    ]);
    const expected = [
      "circuit 1: created 00, EXTENDED2 as it was sent, 1 cells from behind, as they were sent",
      "circuit 1, to the next relay: CREATE2 as it was sent, RELAY_EARLY, DESTROY DESTROYED, as they were sent",
      "link to the next relay: VERSIONS 00040005, CERTS, AUTHENTICATE, NETINFO",
      "neighbour served",
    ];
    assert.deepStrictEqual((await played(steps)).slice(1), expected);
  });

  it("plays what becomes of a circuit when the next relay, or the client, hangs up", async () => {
    await using next = await HostileRelay.start(await ports.take());
    const steps = await recorded(async (peer) => {
      await authenticate(peer, await makeIdentity());
      const circuits = [await create(peer, relay.target), await create(peer, relay.target)];
      for (const circuit of circuits) {
        circuit.extend(next.target);
        const far = await next.asked();
        far.peer.sendCell(far.circId, ChannelCommand.CREATED2, Buffer.concat([Buffer.of(0, 64), randomBytes(64)]));
        assert.isTrue(await circuit.receives(RelayCommand.EXTENDED2, 0));
      }
      next.channels[0]!.destroy();
      await peer.until(() => circuits[1]!.destroyed, 5_000);
      return [];
    });
    assert.include(names(steps), "next closes");
    const answers = await played(steps);
    assert.include(answers, "circuit 1: created 00, EXTENDED2 as it was sent, DESTROY CHANNEL_CLOSED");
    assert.include(answers, "circuit 2: created 00, EXTENDED2 as it was sent, DESTROY CHANNEL_CLOSED");
    const withoutEnd = steps.filter((step) => !("closes" in step) && !("cell" in step && step.cell === "DESTROY"));
    const hungUp = await played([
      ...withoutEnd,
      { from: "peer", closes: true },
      { from: "relay", to: "next", cell: "DESTROY", circuit: 1 },
    ]);
    assert.include(hungUp, "circuit 1: created 00, EXTENDED2 as it was sent");
    assert.include(hungUp, "circuit 1, to the next relay: CREATE2 as it was sent, DESTROY CHANNEL_CLOSED");
  });

  it("tells answers that are not alike", async () => {
    const steps = await recorded(async (peer) => {
      await authenticate(peer, await makeIdentity());
      return [await create(peer, relay.target)];
    });
    const alike = await played(steps);
    assert.deepStrictEqual(await played(steps), alike);
    const bent = steps
      .filter((step) => !("message" in step && step.message === "END"))
      .map((step) => ("message" in step ? { ...step, message: "DATA" as const } : step));
    assert.notDeepEqual(await played(bent), alike);
  });
});
