import assert from "node:assert/strict";
import {
  CellError,
  encodeResponseExtensions,
  RelayCommand,
  type RelayMessage,
  relayCellV0,
  writeRelayMessage,
} from "@allium/cell";
import { slabBytes } from "@allium/channel";
import { HandshakeError } from "@allium/crypto";
import { Cause, Effect, Exit } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { ClientHandler, type Extending } from "../src/client/client-handler.ts";
import {
  beginHop,
  CircuitClosedByPeer,
  CircuitProtocolError,
  CongestionError,
  congestionParams,
  type HopTarget,
  joinHop,
  makeHopFlow,
} from "../src/index.ts";

const someMessage = (random: Random): RelayMessage =>
  random.pick<() => RelayMessage>([
    () => ({ _tag: "EXTENDED2", handshake: random.bytes(random.below(200)) }),
    () => ({ _tag: "EXTENDED2", handshake: random.bytes(64) }),
    () => ({ _tag: "TRUNCATED", reason: random.below(256) }),
    () => ({ _tag: "DROP" }),
    () => ({ _tag: "TRUNCATE" }),
    () => ({ _tag: "XON", kilobytesPerSecond: 1 }),
  ])();

/** Messages of a circuit in any order to a client's handler, from any hop, while it is being extended and while it is not. */
const fuzzHandler = (random: Random): void => {
  let extending: Extending | undefined;
  let answered = 0;
  let asked = 0;
  const handler = new ClientHandler({
    takeExtending: (hop) => {
      const waiting = extending?.hop === hop ? extending : undefined;
      if (waiting !== undefined) extending = undefined;
      return waiting;
    },
    onConflux: undefined,
  });
  const reader = relayCellV0.makeReader();
  for (let step = 0; step < 30; step++) {
    if (extending === undefined && random.oneIn(3)) {
      asked++;
      extending = {
        hop: random.below(3),
        onExtended: () => {
          answered++;
        },
      };
    }
    const slab = Buffer.alloc(slabBytes(1));
    if (random.oneIn(6)) {
      const body = random.bytes(random.below(60));
      const command = random.pick([RelayCommand.EXTENDED2, RelayCommand.TRUNCATED, RelayCommand.CONFLUX_LINKED, 200]);
      relayCellV0.writeMessage(slab, 0, command, 0, body, 0, body.length);
    } else {
      const message = someMessage(random);
      writeRelayMessage(relayCellV0, slab, 0, message._tag === "XON" ? 1 : 0, message);
    }
    reader.reset(slab, 0);
    assert.ok(reader.next());
    const exit = Effect.runSyncExit(handler.onMessage(random.below(3), reader));
    assert.ok(answered <= asked, "told of an answer that nobody waited for");
    if (Exit.isSuccess(exit)) continue;
    const error = Cause.findErrorOption(exit.cause);
    assert.ok(
      error._tag === "Some" &&
        (error.value instanceof CircuitProtocolError || error.value instanceof CircuitClosedByPeer),
      String(exit.cause),
    );
    return;
  }
};

const congestion = congestionParams(() => undefined, "exit");
const home = { congestion: () => congestion, flow: makeHopFlow };

/** Any answer to a client's half of a handshake: it is refused with a typed error, and no hop is joined by what nobody could have sent. */
const fuzzHandshake = (random: Random): void => {
  const target: HopTarget = {
    rsaId: random.bytes(20),
    ed25519Id: random.bytes(32),
    endpoints: [],
    onionKey: random.oneIn(8) ? undefined : random.bytes(32),
    congestionControl: random.oneIn(2),
  };
  const handshake = beginHop(target, congestion, (length) => random.bytes(length));
  const reply = random.pick([
    () => random.bytes(random.below(300)),
    () => random.bytes(handshake.type === undefined ? 40 : 64),
    () =>
      Buffer.concat([
        random.bytes(64),
        encodeResponseExtensions([{ _tag: "CC_RESPONSE", sendmeInc: random.below(256) }]),
      ]),
  ])();
  try {
    joinHop(home, target, handshake, reply);
  } catch (cause) {
    assert.ok(
      cause instanceof HandshakeError || cause instanceof CellError || cause instanceof CongestionError,
      String(cause),
    );
    return;
  }
  assert.fail("a hop was joined");
};

export const targets: ReadonlyArray<FuzzTarget> = [
  { name: "client handler", run: fuzzHandler },
  { name: "client handshake", run: fuzzHandshake },
];
