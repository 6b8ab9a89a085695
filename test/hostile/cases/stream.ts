import { RelayCommand } from "@allium/cell";
import type { HostileCase, HostileSubject } from "../case.ts";
import { circuitCase } from "../circuit-case.ts";
import { randomBytes } from "../identity.ts";
import { type CircuitStage, PATIENCE_MS } from "../stage.ts";

const IGNORED = "ignored";

/** A stream is asked for; waits for what comes of it, since names and connections take a moment. */
const beginning = (
  what: string,
  rule: string,
  answer: string,
  body: string | Buffer | ((stage: CircuitStage) => string),
): HostileCase =>
  circuitCase(what, rule, answer, async (stage) => {
    const { circuit, peer } = stage;
    const bytes = typeof body === "function" ? Buffer.from(body(stage)) : Buffer.from(body as Buffer);
    circuit.sendBody(RelayCommand.BEGIN, 7, bytes);
    await peer.until(
      () => (circuit.destroyed !== undefined || circuit.events.length > 0 ? true : undefined),
      PATIENCE_MS,
    );
  });

const FLAGS = "\0\0\0\0";

const begin: ReadonlyArray<HostileCase> = [
  beginning("BEGIN with nothing in it", "tor-spec 6.2", "END TORPROTOCOL", ""),
  beginning("BEGIN without a NUL", "tor-spec 6.2", "END TORPROTOCOL", "127.0.0.66:80"),
  beginning("BEGIN without a port", "tor-spec 6.2", "END TORPROTOCOL", `127.0.0.66\0${FLAGS}`),
  beginning("BEGIN to port 0", "tor-spec 6.2", "END TORPROTOCOL", `127.0.0.66:0\0${FLAGS}`),
  beginning("BEGIN to port 65536", "tor-spec 6.2", "END TORPROTOCOL", `127.0.0.66:65536\0${FLAGS}`),
  beginning("BEGIN to a port that is no number", "tor-spec 6.2", "END TORPROTOCOL", `127.0.0.66:http\0${FLAGS}`),
  beginning("BEGIN to no name", "tor-spec 6.2", "END RESOLVEFAILED", `:80\0${FLAGS}`),
  beginning("BEGIN to an IPv6 address without brackets", "tor-spec 6.2", "END TORPROTOCOL", `::1:80\0${FLAGS}`),
  beginning(
    "BEGIN to an IPv6 address whose bracket is not closed",
    "tor-spec 6.2",
    "END RESOLVEFAILED",
    `[::1:80\0${FLAGS}`,
  ),
  beginning("BEGIN to a name in brackets", "tor-spec 6.2", "END RESOLVEFAILED", `[origin.test]:80\0${FLAGS}`),
  beginning("BEGIN to a name with a blank in it", "open", "END RESOLVEFAILED", `origin test:80\0${FLAGS}`),
  beginning("BEGIN to a name with control characters in it", "open", "END RESOLVEFAILED", `a\r\nb:80\0${FLAGS}`),
  beginning(
    "BEGIN to a name with bytes above 127 in it",
    "open",
    "END RESOLVEFAILED",
    Buffer.concat([Buffer.of(0xff, 0xc3, 0x28), Buffer.from(`:80\0${FLAGS}`)]),
  ),
  beginning("BEGIN to a name of 300 characters", "open", "END RESOLVEFAILED", `${"a".repeat(300)}:80\0${FLAGS}`),
  beginning(
    "BEGIN to a name with a label of 64 characters",
    "open",
    "END RESOLVEFAILED",
    `${"a".repeat(64)}.test:80\0${FLAGS}`,
  ),
  beginning("BEGIN to an onion address", "open", "END RESOLVEFAILED", `${"a".repeat(56)}.onion:80\0${FLAGS}`),
  beginning(
    "BEGIN to the name of a reverse look-up",
    "open",
    "END RESOLVEFAILED",
    `1.0.0.127.in-addr.arpa:80\0${FLAGS}`,
  ),
  beginning("BEGIN to an address that the policy refuses", "tor-spec 6.2", "END EXITPOLICY", `127.0.0.66:80\0${FLAGS}`),
  beginning(
    "BEGIN to an IPv4 address inside an IPv6 address that the policy refuses",
    "open",
    "END EXITPOLICY",
    `[::ffff:127.0.0.66]:80\0${FLAGS}`,
  ),
  beginning("BEGIN to address 0.0.0.0", "open", "END EXITPOLICY", `0.0.0.0:80\0${FLAGS}`),
  beginning(
    "BEGIN to the relay's own ORPort",
    "open",
    "END CONNECTREFUSED",
    ({ arena }) => `127.0.0.1:${arena.target.port}\0${FLAGS}`,
  ),
  beginning(
    "BEGIN to another relay's ORPort",
    "open",
    "END CONNECTREFUSED",
    ({ arena }) => `127.0.0.1:${arena.other.port}\0${FLAGS}`,
  ),
  beginning(
    "BEGIN to a port where nobody listens",
    "tor-spec 6.3",
    "END CONNECTREFUSED",
    ({ arena }) => `127.0.0.1:${arena.services.refused}\0${FLAGS}`,
  ),
  beginning("BEGIN without flags", "tor-spec 6.2", "CONNECTED", ({ arena }) => `127.0.0.1:${arena.services.silent}\0`),
  beginning("BEGIN with all flags set", "tor-spec 6.2", "END EXITPOLICY", "127.0.0.66:80\0\xff\xff\xff\xff"),
  circuitCase(
    "BEGIN with the ID of a stream that is open",
    "tor-spec 6.2",
    IGNORED,
    ({ circuit, arena }) => circuit.begin(1, `127.0.0.1:${arena.services.silent}`),
    { stream: "silent" },
  ),
  circuitCase(
    "BEGIN_DIR with the ID of a stream that is open",
    "tor-spec 6.2",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand.BEGIN_DIR, 1),
    { stream: "silent" },
  ),
  circuitCase(
    "RESOLVE with the ID of a stream that is open",
    "tor-spec 6.4",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand.RESOLVE, 1, Buffer.from("127.0.0.1\0")),
    { stream: "silent" },
  ),
  circuitCase(
    "BEGIN with the ID of a stream that has ended",
    "tor-spec 6.2",
    "CONNECTED",
    async ({ circuit, arena }) => {
      circuit.sendBody(RelayCommand.END, 1, Buffer.of(6));
      await circuit.connect(1, `127.0.0.1:${arena.services.silent}`).catch(() => {});
    },
    { stream: "silent" },
  ),
  circuitCase("BEGIN_DIR with bytes in it", "tor-spec 6.2.1", "CONNECTED", async ({ circuit }) => {
    circuit.sendBody(RelayCommand.BEGIN_DIR, 7, randomBytes(400));
    await circuit.receives(RelayCommand.CONNECTED, 7, 1, PATIENCE_MS);
  }),
  circuitCase("a directory request that is noise", "dir-spec", "CONNECTED, END DONE", async ({ circuit }) => {
    circuit.sendBody(RelayCommand.BEGIN_DIR, 7);
    circuit.sendBody(RelayCommand.DATA, 7, Buffer.from("\x16\x03\x01 what?\r\n\r\n\r\n\r\n"));
    await circuit.receives(RelayCommand.END, 7, 1, PATIENCE_MS);
  }),
  circuitCase(
    "a malformed BEGIN with the ID of a stream that is open",
    "open",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand.BEGIN, 1, Buffer.from("no port\0")),
    { stream: "silent" },
  ),
  circuitCase(
    "a malformed RESOLVE with the ID of a stream that is open",
    "open",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand.RESOLVE, 1),
    { stream: "silent" },
  ),
];

const resolving = (what: string, answer: string, body: Buffer): HostileCase =>
  circuitCase(what, "tor-spec 6.4", answer, async ({ circuit, peer }) => {
    circuit.sendBody(RelayCommand.RESOLVE, 7, body);
    await peer.until(
      () => (circuit.destroyed !== undefined || circuit.events.length > 0 ? true : undefined),
      PATIENCE_MS,
    );
  });

const resolve: ReadonlyArray<HostileCase> = [
  resolving("RESOLVE with nothing in it", "RESOLVED error", Buffer.alloc(0)),
  resolving("RESOLVE without a NUL", "RESOLVED", Buffer.from("origin.test")),
  resolving("RESOLVE of an address", "RESOLVED", Buffer.from("192.0.2.1\0")),
  resolving("RESOLVE of an empty name", "RESOLVED error", Buffer.of(0)),
  resolving("RESOLVE of a name with a blank in it", "RESOLVED error", Buffer.from("origin test\0")),
  resolving("RESOLVE of a name of 400 characters", "RESOLVED error", Buffer.from(`${"a".repeat(400)}\0`)),
  resolving("RESOLVE of a reverse name that is none", "RESOLVED error", Buffer.from("1.2.3.in-addr.arpa\0")),
  resolving(
    "RESOLVE of the reverse name of a private address",
    "RESOLVED error",
    Buffer.from("1.0.0.10.in-addr.arpa\0"),
  ),
];

/** Messages that a client does not send, or malformed, on a stream that does not exist while another does. */
const strays: ReadonlyArray<HostileCase> = (
  [
    ["CONNECTED", 100],
    ["RESOLVED", 20],
    ["XON", 1],
    ["XOFF", 0],
  ] as const
).map(([name, length]) =>
  circuitCase(
    `${name} of ${length} bytes for a stream that does not exist, beside one that does`,
    "open",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand[name], 7, randomBytes(length)),
    { stream: "silent" },
  ),
);

const ofNothing: ReadonlyArray<HostileCase> = [
  circuitCase("DATA for a stream that does not exist", "open", IGNORED, ({ circuit }) => circuit.sendData(7, 3)),
  circuitCase("END for a stream that does not exist", "open", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.END, 7, Buffer.of(6)),
  ),
  circuitCase("SENDME for a stream that does not exist", "open", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.SENDME, 7),
  ),
  circuitCase("XOFF for a stream that does not exist", "open", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.XOFF, 7, Buffer.of(0)),
  ),
  circuitCase("XON for a stream that does not exist", "open", IGNORED, ({ circuit }) =>
    circuit.sendBody(RelayCommand.XON, 7, Buffer.alloc(5)),
  ),
  circuitCase(
    "END and DATA for a stream that has ended",
    "tor-spec 6.3",
    IGNORED,
    ({ circuit }) => {
      circuit.sendBody(RelayCommand.END, 1, Buffer.of(6));
      circuit.sendData(1, 2);
      circuit.sendBody(RelayCommand.END, 1, Buffer.of(6));
    },
    { stream: "silent" },
  ),
];

const open: ReadonlyArray<HostileCase> = [
  circuitCase("END without a reason", "tor-spec 6.3", IGNORED, ({ circuit }) => circuit.sendBody(RelayCommand.END, 1), {
    stream: "silent",
  }),
  circuitCase(
    "END with a reason that nobody knows",
    "tor-spec 6.3",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand.END, 1, Buffer.of(250)),
    { stream: "silent" },
  ),
  circuitCase(
    "END that is longer than it should be",
    "tor-spec 6.3",
    IGNORED,
    ({ circuit }) => circuit.sendBody(RelayCommand.END, 1, randomBytes(300)),
    { stream: "silent" },
  ),
  circuitCase(
    "DATA with nothing in it, a hundred times",
    "tor-spec 6.2",
    IGNORED,
    ({ circuit }) => {
      for (let count = 0; count < 100; count++) circuit.sendBody(RelayCommand.DATA, 1);
    },
    { stream: "silent" },
  ),
  circuitCase(
    "CONNECTED for a stream that is open",
    "tor-spec 6.1",
    "DESTROY PROTOCOL",
    ({ circuit }) => circuit.sendBody(RelayCommand.CONNECTED, 1),
    { stream: "silent" },
  ),
  circuitCase(
    "RESOLVED for a stream that is open",
    "tor-spec 6.1",
    "DESTROY PROTOCOL",
    ({ circuit }) => circuit.sendBody(RelayCommand.RESOLVED, 1, Buffer.of(4, 4, 1, 2, 3, 4, 0, 0, 0, 0)),
    { stream: "silent" },
  ),
  circuitCase(
    "a command that nobody knows, on a stream that is open",
    "tor-spec 6.1",
    IGNORED,
    ({ circuit }) => circuit.sendBody(200, 1, randomBytes(9)),
    { stream: "silent" },
  ),
  circuitCase("DATA before CONNECTED", "tor-spec 6.2", "CONNECTED", async ({ circuit, arena }) => {
    circuit.begin(7, `127.0.0.1:${arena.services.silent}`);
    circuit.sendData(7, 3);
    await circuit.receives(RelayCommand.CONNECTED, 7, 1, PATIENCE_MS);
  }),
  circuitCase("DATA for a stream that will be refused", "tor-spec 6.2", "END EXITPOLICY", ({ circuit }) => {
    circuit.begin(7, "127.0.0.66:80");
    circuit.sendData(7, 3);
  }),
];

/** Messages of streams. */
export const stream: HostileSubject = {
  title: "Streams",
  about:
    "The peer is a relay with two circuits that end at the target, an exit; one of them is the neighbour. A stream's mistakes are answered with END, and other streams of the circuit go on.",
  cases: [...begin, ...resolve, ...strays, ...ofNothing, ...open],
};
