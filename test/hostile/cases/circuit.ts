import { ChannelCommand, RelayCommand, relayCommandName } from "@allium/cell";
import type { HostileCase, HostileSubject } from "../case.ts";
import { plainCell } from "../circuit.ts";
import { circuitCase } from "../circuit-case.ts";
import { randomBytes } from "../identity.ts";

const PROTOCOL = "DESTROY PROTOCOL";
const IGNORED = "ignored";

/** A message of the circuit with a stream's ID. */
const onStream = (command: number, body: Buffer, answer: string, early = false): HostileCase =>
  circuitCase(`${relayCommandName(command)} with a stream ID`, "tor-spec 6.1", answer, ({ circuit }) =>
    circuit.sendBody(command, 7, body, early),
  );

/** A message of a stream without a stream's ID. */
const withoutStream = (command: number, body: Buffer, answer: string): HostileCase =>
  circuitCase(`${relayCommandName(command)} without a stream ID`, "tor-spec 6.1", answer, ({ circuit }) =>
    circuit.sendBody(command, 0, body),
  );

/** A message that clients do not send. */
const notForRelays = (command: number, streamId: number, body: Buffer, answer: string): HostileCase =>
  circuitCase(`${relayCommandName(command)} from the client`, "tor-spec 6.1", answer, ({ circuit }) =>
    circuit.sendBody(command, streamId, body),
  );

const cells: ReadonlyArray<HostileCase> = [
  circuitCase("a RELAY cell that nobody on the circuit can read", "tor-spec 5.5.2.2", PROTOCOL, ({ circuit, peer }) =>
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, randomBytes(509)),
  ),
  circuitCase(
    "a RELAY_EARLY cell that nobody on the circuit can read",
    "tor-spec 5.5.2.2",
    PROTOCOL,
    ({ circuit, peer }) => peer.sendCell(circuit.circId, ChannelCommand.RELAY_EARLY, randomBytes(509)),
  ),
  circuitCase("a RELAY cell with a wrong digest", "tor-spec 6.1", PROTOCOL, ({ circuit, peer }) => {
    const plain = plainCell(RelayCommand.DROP, 0);
    plain.writeUInt32BE(0xdead_beef, 5);
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, circuit.crypto.outbound.encrypt(plain, 1, 0));
  }),
  circuitCase("a RELAY cell sent twice", "tor-spec 5.5.2.2", PROTOCOL, ({ circuit, peer }) => {
    const sealed = circuit.seal(plainCell(RelayCommand.DROP, 0));
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, sealed);
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, sealed);
  }),
  circuitCase("two RELAY cells in the wrong order", "tor-spec 5.5.2.2", PROTOCOL, ({ circuit, peer }) => {
    const [first, second] = [0, 1].map(() => circuit.seal(plainCell(RelayCommand.DROP, 0))) as [Buffer, Buffer];
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, second);
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, first);
  }),
  circuitCase("a RELAY cell with a flipped bit", "tor-spec 5.5.2.2", PROTOCOL, ({ circuit, peer }) => {
    const sealed = circuit.seal(plainCell(RelayCommand.DROP, 0));
    sealed[300] = (sealed[300] ?? 0) ^ 1;
    peer.sendCell(circuit.circId, ChannelCommand.RELAY, sealed);
  }),
  circuitCase("a message that says it is longer than its cell", "tor-spec 6.1", PROTOCOL, ({ circuit }) =>
    circuit.sendPlain(plainCell(RelayCommand.DROP, 0, Buffer.alloc(0), 499)),
  ),
  circuitCase("eight RELAY_EARLY cells", "tor-spec 5.6", IGNORED, ({ circuit }) => {
    for (let count = 0; count < 8; count++) circuit.sendBody(RelayCommand.DROP, 0, Buffer.alloc(0), true);
  }),
  circuitCase("nine RELAY_EARLY cells", "tor-spec 5.6", PROTOCOL, ({ circuit }) => {
    for (let count = 0; count < 9; count++) circuit.sendBody(RelayCommand.DROP, 0, Buffer.alloc(0), true);
  }),
  circuitCase("a relay command that nobody knows", "tor-spec 6.1", IGNORED, ({ circuit }) =>
    circuit.sendBody(200, 0, randomBytes(9)),
  ),
  circuitCase("a relay command that nobody knows, on a stream", "tor-spec 6.1", IGNORED, ({ circuit }) =>
    circuit.sendBody(200, 7, randomBytes(9)),
  ),
  circuitCase("a thousand DROPs", "tor-spec 7.2", IGNORED, ({ circuit }) => {
    for (let count = 0; count < 1_000; count++) circuit.sendBody(RelayCommand.DROP, 0);
  }),
];

const NAME = Buffer.from("127.0.0.66:80\0\0\0\0\0");

const ids: ReadonlyArray<HostileCase> = [
  withoutStream(RelayCommand.BEGIN, NAME, IGNORED),
  withoutStream(RelayCommand.BEGIN_DIR, Buffer.alloc(0), IGNORED),
  withoutStream(RelayCommand.RESOLVE, Buffer.from("127.0.0.1\0"), IGNORED),
  withoutStream(RelayCommand.DATA, randomBytes(100), IGNORED),
  withoutStream(RelayCommand.END, Buffer.of(6), IGNORED),
  withoutStream(RelayCommand.CONNECTED, Buffer.alloc(0), IGNORED),
  withoutStream(RelayCommand.RESOLVED, Buffer.of(4, 4, 1, 2, 3, 4, 0, 0, 0, 0), IGNORED),
  withoutStream(RelayCommand.XOFF, Buffer.of(0), IGNORED),
  withoutStream(RelayCommand.XON, Buffer.alloc(5), IGNORED),
  onStream(RelayCommand.EXTEND2, Buffer.of(0, 0, 2, 0, 0), IGNORED, true),
  onStream(RelayCommand.TRUNCATE, Buffer.alloc(0), IGNORED),
  onStream(RelayCommand.DROP, Buffer.alloc(0), IGNORED),
  onStream(RelayCommand.PADDING_NEGOTIATE, Buffer.of(0, 2, 1, 0), IGNORED),
  onStream(RelayCommand.CONFLUX_LINK, randomBytes(50), IGNORED),
  onStream(RelayCommand.EXTEND, randomBytes(200), IGNORED, true),
  onStream(RelayCommand.EXTENDED, randomBytes(148), IGNORED),
  onStream(RelayCommand.EXTENDED2, Buffer.concat([Buffer.of(0, 64), randomBytes(64)]), IGNORED),
  onStream(RelayCommand.TRUNCATED, Buffer.of(1), IGNORED),
  onStream(RelayCommand.PADDING_NEGOTIATED, Buffer.of(0, 2, 1, 0), IGNORED),
  onStream(RelayCommand.CONFLUX_LINKED, randomBytes(50), IGNORED),
  onStream(RelayCommand.CONFLUX_LINKED_ACK, Buffer.alloc(0), IGNORED),
  onStream(RelayCommand.CONFLUX_SWITCH, Buffer.alloc(4), IGNORED),
  onStream(RelayCommand.ESTABLISH_INTRO, randomBytes(50), IGNORED),
];

const backward: ReadonlyArray<HostileCase> = [
  notForRelays(RelayCommand.EXTENDED2, 0, Buffer.concat([Buffer.of(0, 64), randomBytes(64)]), IGNORED),
  notForRelays(RelayCommand.EXTENDED, 0, randomBytes(148), IGNORED),
  notForRelays(RelayCommand.TRUNCATED, 0, Buffer.of(1), IGNORED),
  notForRelays(RelayCommand.PADDING_NEGOTIATED, 0, Buffer.of(0, 2, 1, 0), IGNORED),
  notForRelays(RelayCommand.CONNECTED, 7, Buffer.alloc(0), IGNORED),
  notForRelays(RelayCommand.RESOLVED, 7, Buffer.of(0xf0, 0, 0, 0, 0, 0), IGNORED),
  notForRelays(RelayCommand.CONFLUX_LINKED, 0, randomBytes(50), PROTOCOL),
];

const conflux: ReadonlyArray<HostileCase> = [
  circuitCase("CONFLUX_LINK without conflux", "proposal 329", PROTOCOL, ({ circuit }) =>
    circuit.sendBody(RelayCommand.CONFLUX_LINK, 0, Buffer.concat([Buffer.of(1), randomBytes(32), Buffer.alloc(17)])),
  ),
  circuitCase("CONFLUX_LINK that is cut short", "proposal 329", PROTOCOL, ({ circuit }) =>
    circuit.sendBody(RelayCommand.CONFLUX_LINK, 0, Buffer.of(1, 2, 3)),
  ),
  circuitCase("CONFLUX_LINKED_ACK without conflux", "proposal 329", PROTOCOL, ({ circuit }) =>
    circuit.sendBody(RelayCommand.CONFLUX_LINKED_ACK, 0),
  ),
  circuitCase("CONFLUX_SWITCH without conflux", "proposal 329", PROTOCOL, ({ circuit }) =>
    circuit.sendBody(RelayCommand.CONFLUX_SWITCH, 0, Buffer.alloc(4)),
  ),
];

const others: ReadonlyArray<HostileCase> = [
  circuitCase("TRUNCATE of a circuit that goes no further", "tor-spec 5.4", "TRUNCATED REQUESTED", ({ circuit }) =>
    circuit.sendBody(RelayCommand.TRUNCATE, 0, Buffer.of(1)),
  ),
  circuitCase("PADDING_NEGOTIATE for a machine that nobody knows", "padding-spec 3", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.PADDING_NEGOTIATE, 0, Buffer.of(0, 2, 99, 0, 0, 0, 0, 0)),
  ),
  circuitCase("PADDING_NEGOTIATE that is cut short", "padding-spec 3", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.PADDING_NEGOTIATE, 0),
  ),
  circuitCase("PADDING_NEGOTIATE of an unknown version, on a circuit", "padding-spec 3", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.PADDING_NEGOTIATE, 0, Buffer.of(9, 2, 1, 0, 0, 0, 0, 0)),
  ),
  ...(
    [
      ["ESTABLISH_INTRO", 100],
      ["ESTABLISH_RENDEZVOUS", 3],
      ["INTRODUCE1", 100],
      ["INTRODUCE2", 100],
      ["RENDEZVOUS1", 5],
      ["RENDEZVOUS2", 100],
      ["INTRO_ESTABLISHED", 1],
      ["RENDEZVOUS_ESTABLISHED", 0],
      ["INTRODUCE_ACK", 2],
    ] as const
  ).map(([name, length]) =>
    circuitCase(`${name} that is noise`, "rend-spec-v3", IGNORED, ({ circuit }) =>
      circuit.sendBody(RelayCommand[name], 0, randomBytes(length)),
    ),
  ),
];

/** Cells and messages on a circuit that ends at the relay. */
export const circuit: HostileSubject = {
  title: "A circuit of one hop",
  about:
    "The peer is a relay with two circuits that end at the target, of which one is the neighbour. A violation ends the one that it is on.",
  cases: [...cells, ...ids, ...backward, ...conflux, ...others],
};
