import assert from "node:assert/strict";
import {
  ChannelCommand,
  type LinkSpecifier,
  RelayCommand,
  type RelayMessage,
  relayCellV0,
  writeRelayMessage,
} from "@allium/cell";
import { type ChannelCircuit, ChannelLost, type ChannelManager, slabBytes, type Train } from "@allium/channel";
import { MemoryQuota, ReactorGroup, Signal } from "@allium/kernel";
import { Cause, Clock, Effect, Exit } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  CIRCUITS,
  type CircuitError,
  CircuitProtocolError,
  type CircuitStop,
  congestionParams,
  DEFAULT_CIRCUIT_LIMITS,
  type EgressCommand,
  FarSide,
  makeHopFlow,
  refuseStream,
  StreamPaths,
} from "../src/index.ts";
import { relayHandler } from "../src/relay/handler.ts";

const specifier = (random: Random): LinkSpecifier =>
  random.pick<LinkSpecifier>([
    { _tag: "TLS_TCP", address: { family: 4, address: "10.0.0.2" }, port: random.pick([0, 9001]) },
    { _tag: "RSA_ID", id: Buffer.alloc(20, random.below(3)) },
    { _tag: "ED25519_ID", id: Buffer.alloc(32, random.below(3)) },
  ]);

const someMessage = (random: Random): RelayMessage =>
  random.pick<() => RelayMessage>([
    () => ({
      _tag: "EXTEND2",
      linkSpecifiers: Array.from({ length: random.below(5) }, () => specifier(random)),
      handshakeType: random.below(5),
      handshake: random.bytes(random.below(200)),
    }),
    () => ({
      _tag: "EXTEND2",
      linkSpecifiers: [
        { _tag: "TLS_TCP", address: { family: 4, address: "10.0.0.2" }, port: 9001 },
        { _tag: "RSA_ID", id: Buffer.alloc(20, 2) },
      ],
      handshakeType: 2,
      handshake: random.bytes(84),
    }),
    () => ({ _tag: "TRUNCATE" }),
    () => ({ _tag: "DROP" }),
    () => ({ _tag: "CONFLUX_LINKED_ACK" }),
    () => ({ _tag: "EXTENDED2", handshake: random.bytes(10) }),
  ])();

/** A circuit's messages in any order to a relay's handler, with a next relay that is found, is not, or keeps one waiting. */
const fuzzHandler = (random: Random): void => {
  const commands: Array<EgressCommand> = [];
  const sentFar: Array<Train> = [];
  let opened = 0;
  let destroyed = 0;
  const farCircuit = (): ChannelCircuit => {
    opened++;
    let open = true;
    // Of a circuit on a channel the handler uses no more than this.
    return {
      send: (train: Train) => Effect.sync(() => open && sentFar.push(train) > 0),
      sendUnsafe: (train: Train) => open && sentFar.push(train) > 0,
      sendCell: (command: number) => assert.equal(command, ChannelCommand.CREATE2),
      destroy: () => {
        assert.ok(open, "destroyed twice");
        open = false;
        destroyed++;
      },
    } as unknown as ChannelCircuit;
  };
  const waiting: Array<() => void> = [];
  const get = Effect.suspend(() => {
    const found = Effect.sync(() => ({ openCircuit: () => Effect.sync(farCircuit) }));
    switch (random.below(4)) {
      case 0:
        return Effect.fail(new ChannelLost({ cause: undefined }));
      case 1:
        return Effect.andThen(
          Effect.callback<void>((resume) => {
            waiting.push(() => resume(Effect.void));
          }),
          found,
        );
      default:
        return found;
    }
  });
  const program = Effect.gen(function* () {
    const group = yield* ReactorGroup.make<CircuitError, CircuitStop>({ name: "fuzz" });
    const far = new FarSide();
    const egress = Signal.make();
    const handler = relayHandler({
      circuit: {
        name: "fuzz",
        group,
        clock: yield* Clock.Clock,
        entropy: { bytes: (length) => random.bytes(length), below: (limit) => random.below(limit) },
        opener: {
          begin: () => Effect.fail(refuseStream(1)),
          beginDirectory: Effect.fail(refuseStream(1)),
          resolve: () => Effect.succeed([]),
          linger: () => {},
        },
        limits: DEFAULT_CIRCUIT_LIMITS,
        memory: new MemoryQuota().open(CIRCUITS),
      },
      flow: makeHopFlow(congestionParams(() => undefined, "exit").fixedWindow),
      paths: new StreamPaths(egress),
      far,
      // The handler offers commands, and does nothing else with the link.
      commands: {
        offer: (command: EgressCommand) => Effect.sync(() => void commands.push(command)),
      } as unknown as Parameters<typeof relayHandler>[0]["commands"],
      channels: { get: () => get } as unknown as ChannelManager["Service"],
      streams: { direct: () => Effect.never },
      policy: {
        self: { rsaId: Buffer.alloc(20, 0), ed25519Id: Buffer.alloc(32, 0) },
        addressAllowed: () => !random.oneIn(5),
      },
      previous: random.oneIn(2) ? { rsaId: Buffer.alloc(20, 1), ed25519Id: Buffer.alloc(32, 1) } : undefined,
      farSignals: { inbound: egress, onEnd: () => {} },
      onDrop: () => {},
      onConflux: undefined,
      fork: Effect.runFork,
    });
    const reader = relayCellV0.makeReader();
    for (let step = 0; step < 30; step++) {
      const slab = Buffer.alloc(slabBytes(1));
      const command = random.pick([ChannelCommand.RELAY, ChannelCommand.RELAY_EARLY]);
      const act = random.pick([
        () => Effect.try({ try: () => handler.onEarly(1 + random.below(2)), catch: (cause) => cause as CircuitError }),
        () => handler.onUnrecognized(random.bytes(509 * 3), 1, 3, command) ?? Effect.void,
        () => {
          if (random.oneIn(6)) {
            const body = random.bytes(random.below(60));
            relayCellV0.writeMessage(slab, 0, RelayCommand.EXTEND2, 0, body, 0, body.length);
          } else {
            writeRelayMessage(relayCellV0, slab, 0, 0, someMessage(random));
          }
          reader.reset(slab, 0);
          assert.ok(reader.next());
          return handler.onMessage(0, reader, command);
        },
        () => Effect.sync(() => waiting.shift()?.()),
        () =>
          Effect.sync(() => {
            // Egress: the next relay has answered.
            if (far.state === "waiting") far.state = "open";
          }),
      ]);
      const exit = yield* Effect.exit(act());
      assert.ok((far.circuit !== undefined) === (far.state === "waiting" || far.state === "open"));
      assert.ok(opened - destroyed <= 1, "two far sides at once");
      if (Exit.isFailure(exit)) {
        const error = Cause.findErrorOption(exit.cause);
        assert.ok(error._tag === "Some" && error.value instanceof CircuitProtocolError, String(exit.cause));
        break;
      }
      if (commands.some(({ _tag }) => _tag === "Fail")) break;
    }
    yield* group.stop("finished");
    far.close(0);
    for (const resume of waiting) resume();
    assert.equal(opened, destroyed);
  });
  Effect.runSync(Effect.scoped(program));
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "relay handler", run: fuzzHandler }];
