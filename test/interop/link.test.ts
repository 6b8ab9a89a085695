import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChannelCommand, encodeChannelBody, HandshakeType, relayCellV0, writeRelayMessage } from "@allium/cell";
import {
  type Channel,
  type ChannelCircuit,
  ChannelManager,
  type ChannelObserver,
  type CreateRequest,
  DEFAULT_PADDING_PARAMS,
  type LinkIdentity,
  layerChannelManager,
  layerEntropy,
  NodeTransport,
  slabBytes,
} from "@allium/channel";
import { ClientCrypto, fastClientEnd, keyMaterialLength, splitKeyMaterial, tor1 } from "@allium/crypto";
import { Signal } from "@allium/kernel";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { Context, Deferred, Effect, Layer, type Scope } from "effect";
import { makeIdentity } from "../hostile/identity.ts";
import { eventually, PortPool, TorNode } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

/** The channels of one side: a relay with an identity, or a client without. */
const channelsOf = (
  identity: LinkIdentity | undefined,
  observer: ChannelObserver = {},
): Effect.Effect<ChannelManager["Service"], never, Scope.Scope> =>
  Layer.build(
    Layer.fresh(
      layerChannelManager({
        local: () => ({ identity, addresses: identity === undefined ? [] : ["127.0.0.1"] }),
        padding: () => DEFAULT_PADDING_PARAMS,
        idleTimeoutMillis: () => 3_600_000,
        observer,
      }).pipe(Layer.provide(NodeTransport.layer), Layer.provide(layerEntropy)),
    ),
  ).pipe(Effect.map((context) => Context.get(context, ChannelManager)));

/** Creates a one-hop circuit with CREATE_FAST, which proves nothing but that the relay takes circuits on this channel. */
const createFast = (channel: Channel) =>
  Effect.gen(function* () {
    const inbound = Signal.make();
    const circuit: ChannelCircuit = yield* channel.openCircuit({ inbound });
    const keyMaterial = crypto.getRandomValues(Buffer.alloc(20));
    circuit.sendCell(ChannelCommand.CREATE_FAST, encodeChannelBody({ _tag: "CREATE_FAST", keyMaterial }));
    for (;;) {
      const control = circuit.inbox.takeControl();
      if (control !== undefined) {
        assert.strictEqual(control.command, ChannelCommand.CREATED_FAST);
        const reply = control.payload.subarray(0, 40);
        const crypto = new ClientCrypto();
        crypto.addHop(splitKeyMaterial(fastClientEnd(keyMaterial, reply, keyMaterialLength(tor1))));
        return { circuit, crypto };
      }
      assert.isUndefined(circuit.inbox.ended());
      yield* inbound.wait;
    }
  });

describeWithTor("the link handshake with a tor relay", () => {
  let directory: string;
  let ports: PortPool;
  let tor: TorNode;
  let relay: LinkIdentity;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "allium-link-"));
    ports = new PortPool();
    const nobody = await ports.take();
    tor = new TorNode({
      role: "relay",
      nickname: "lonely",
      dataDirectory: join(directory, "lonely"),
      orPort: await ports.take(),
      dirPort: await ports.take(),
      controlPort: await ports.take(),
      socksPort: 0,
      logLevel: "[or,handshake]info notice",
      // An authority that is not there: the relay stays alone.
      authorities: [
        `nobody orport=${nobody} no-v2 v3ident=${"A".repeat(40)} 127.0.0.1:${await ports.take()} ${"B".repeat(40)}`,
      ],
      voting: { interval: 20, firstAfter: 20, voteDelay: 2, distDelay: 2, earnedFlags: false, consensusParams: {} },
      votingOffset: 0,
      dirCache: true,
      exitPolicy: [],
      resolvConf: "/dev/null",
      extra: [],
    });
    [{ link: relay }] = await Promise.all([makeIdentity(), tor.start()]);
  });

  afterAll(async () => {
    await tor?.stop();
    await ports?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const target = () => ({
    endpoints: [{ host: "127.0.0.1", port: tor.orPort }],
    rsaId: Buffer.from(tor.fingerprint, "hex"),
    ed25519Id: Buffer.from(
      readFileSync(join(tor.dataDirectory, "fingerprint-ed25519"), "utf8").trim().split(" ")[1] as string,
      "base64",
    ),
  });

  const logHas = async (text: string): Promise<void> => {
    const holds = () => readFileSync(tor.logFile, "utf8").includes(text);
    await eventually(`"${text}" in tor's log`, holds, { timeoutMs: 30_000 });
  };

  it.live("connects as a client, and tor answers CREATE_FAST", () =>
    Effect.gen(function* () {
      const channels = yield* channelsOf(undefined);
      const channel = yield* channels.get(target());
      assert.strictEqual(channel.linkProtocol, 5);
      // Of one machine's clock, in seconds; a NETINFO may be read some seconds after it was written.
      assert.isAtMost(Math.abs(channel.established.clockSkew ?? 99), 30);
      yield* createFast(channel);
      assert.deepStrictEqual(tor.warnings(), []);
    }),
  );

  it.live("authenticates as a relay, and tor answers CREATE_FAST", () =>
    Effect.gen(function* () {
      const channels = yield* channelsOf(relay);
      const channel = yield* channels.get(target());
      assert.isTrue(channel.peer?.ed25519Id.equals(target().ed25519Id));
      yield* createFast(channel);
      // tor names an identity only when it was proved: all fields of AUTHENTICATE as expected, and the signature good.
      const proved = relay.peer.ed25519Id.toString("base64").replace("=", "");
      yield* Effect.promise(() => logHas(proved));
      assert.deepStrictEqual(tor.warnings(), []);
    }),
  );

  it.live("is reached and authenticated to by tor, which asks it for a circuit", () =>
    Effect.gen(function* () {
      const asked = Deferred.makeUnsafe<CreateRequest>();
      const listening = yield* channelsOf(relay);
      yield* listening.acceptCircuits((request) => {
        Deferred.doneUnsafe(asked, Effect.succeed(request));
        request.refuse(1);
      });
      const listener = yield* listening.listen({ host: "127.0.0.1", port: yield* Effect.promise(() => ports.take()) });
      const client = yield* channelsOf(undefined);
      const { circuit, crypto } = yield* createFast(yield* client.get(target()));
      const slab = Buffer.alloc(slabBytes(1));
      writeRelayMessage(relayCellV0, slab, 0, 0, {
        _tag: "EXTEND2",
        linkSpecifiers: [
          { _tag: "TLS_TCP", address: { family: 4, address: "127.0.0.1" }, port: listener.endpoint.port },
          { _tag: "RSA_ID", id: relay.peer.rsaId },
          { _tag: "ED25519_ID", id: relay.peer.ed25519Id },
        ],
        handshakeType: HandshakeType.NTOR,
        handshake: Buffer.alloc(84, 1),
      });
      crypto.outbound.originate(slab, 0, 0);
      yield* circuit.send({
        command: ChannelCommand.RELAY_EARLY,
        count: 1,
        slab: crypto.outbound.encrypt(slab, 1, 0),
      });
      const request = yield* Effect.timeout(Deferred.await(asked), "60 seconds");
      assert.isTrue(request.channel.peer?.rsaId.equals(target().rsaId));
      assert.isTrue(request.channel.peer?.ed25519Id.equals(target().ed25519Id));
      assert.strictEqual(request.channel.linkProtocol, 5);
      assert.deepInclude(request.message, { _tag: "CREATE2", handshake: Buffer.alloc(84, 1) });
      assert.deepStrictEqual(tor.warnings(), []);
    }),
  );
});
