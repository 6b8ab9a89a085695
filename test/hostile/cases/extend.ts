import { ChannelCommand, HandshakeType, RelayCommand } from "@allium/cell";
import type { HostileCase, HostileSubject } from "../case.ts";
import { ntorRequest } from "../circuit.ts";
import { circuitCase } from "../circuit-case.ts";
import { randomBytes } from "../identity.ts";
import { type CircuitStage, comesOf, onFarSide } from "../stage.ts";
import type { Target } from "../target.ts";

const PROTOCOL = "DESTROY PROTOCOL";
const IGNORED = "ignored";

/** What an EXTEND2 says of a link specifier: any type, any bytes. */
type Specifier = readonly [type: number, body: Buffer];

const address = (port: number, host = "127.0.0.1"): Specifier => {
  const bytes = Buffer.alloc(6);
  Buffer.from(host.split(".").map(Number)).copy(bytes);
  bytes.writeUInt16BE(port, 4);
  return [0, bytes];
};
const rsa = (target: Target): Specifier => [2, target.rsaId];
const ed25519 = (target: Target): Specifier => [3, target.ed25519Id];

const usual = (target: Target): ReadonlyArray<Specifier> => [address(target.port), rsa(target), ed25519(target)];

/** The body of an EXTEND2, whatever is in it. */
const extend2 = (
  specifiers: ReadonlyArray<Specifier>,
  handshake: Buffer,
  change: { readonly count?: number; readonly length?: number; readonly type?: number } = {},
): Buffer =>
  Buffer.concat([
    Buffer.of(change.count ?? specifiers.length),
    ...specifiers.flatMap(([type, body]) => [Buffer.of(type, body.length), body]),
    Buffer.of(0, change.type ?? HandshakeType.NTOR),
    Buffer.of((change.length ?? handshake.length) >>> 8, (change.length ?? handshake.length) & 0xff),
    handshake,
  ]);

/** An EXTEND2, and what comes of it before the circuit is asked whether it still works. */
const extending = (
  what: string,
  rule: string,
  answer: string,
  body: (stage: CircuitStage) => Buffer,
  early = true,
): HostileCase =>
  circuitCase(what, rule, answer, async (stage) => {
    const { circuit, peer } = stage;
    circuit.sendBody(RelayCommand.EXTEND2, 0, body(stage), early);
    // Whoever is extended to may take a moment. What is ignored takes none, but nobody knows.
    const answered = () => circuit.destroyed !== undefined || circuit.events.length > 0;
    if (answer === IGNORED) await peer.until(() => answered() || undefined, 700);
    else await comesOf(stage, answered);
  });

const to = (specifiers: (target: Target, stage: CircuitStage) => ReadonlyArray<Specifier>) => (stage: CircuitStage) => {
  const { other } = stage.arena;
  return extend2(specifiers(other, stage), ntorRequest(other));
};

const cases: ReadonlyArray<HostileCase> = [
  extending("EXTEND2 as it should be", "tor-spec 5.1.2", "EXTENDED2", to(usual)),
  extending("EXTEND2 in a RELAY cell", "tor-spec 5.6", IGNORED, to(usual), false),
  extending("EXTEND2 to the relay itself", "tor-spec 5.3.1", PROTOCOL, ({ arena: { target } }) =>
    extend2(usual(target), ntorRequest(target)),
  ),
  extending("EXTEND2 to the relay itself, by its Ed25519 identity alone", "tor-spec 5.3.1", PROTOCOL, ({ arena }) =>
    extend2([address(arena.target.port), [2, randomBytes(20)], ed25519(arena.target)], ntorRequest(arena.target)),
  ),
  extending("EXTEND2 back to the relay that it came from", "tor-spec 5.3.1", PROTOCOL, ({ arena }) =>
    extend2(
      [address(arena.other.port), [2, arena.identity.link.peer.rsaId], [3, arena.identity.master.publicKey]],
      ntorRequest(arena.other),
    ),
  ),
  extending(
    "EXTEND2 without link specifiers",
    "tor-spec 5.1.2",
    PROTOCOL,
    to(() => []),
  ),
  extending(
    "EXTEND2 without an RSA identity",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [address(other.port), ed25519(other)]),
  ),
  extending(
    "EXTEND2 without an address",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [rsa(other), ed25519(other)]),
  ),
  extending(
    "EXTEND2 with two RSA identities",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [...usual(other), [2, randomBytes(20)]]),
  ),
  extending(
    "EXTEND2 with two Ed25519 identities",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [...usual(other), [3, randomBytes(32)]]),
  ),
  extending(
    "EXTEND2 with two IPv4 addresses, of which the first leads there",
    "tor-spec 5.1.2",
    "EXTENDED2",
    to((other) => [...usual(other), address(1)]),
  ),
  extending(
    "EXTEND2 with link specifiers that nobody knows",
    "tor-spec 5.1.2",
    "EXTENDED2",
    to((other) => [...usual(other), [99, randomBytes(10)], [200, Buffer.alloc(0)]]),
  ),
  extending(
    "EXTEND2 with an RSA identity that is a byte short",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [address(other.port), [2, other.rsaId.subarray(1)], ed25519(other)]),
  ),
  extending(
    "EXTEND2 with an Ed25519 identity that is a byte long",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [address(other.port), rsa(other), [3, Buffer.concat([other.ed25519Id, Buffer.of(0)])]]),
  ),
  extending(
    "EXTEND2 with an IPv4 address of five bytes",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [[0, Buffer.alloc(5)], rsa(other), ed25519(other)]),
  ),
  extending(
    "EXTEND2 with an Ed25519 identity of zeros",
    "tor-spec 5.1.2",
    "EXTENDED2",
    to((other) => [address(other.port), rsa(other), [3, Buffer.alloc(32)]]),
  ),
  extending(
    "EXTEND2 with an RSA identity of zeros",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [address(other.port), [2, Buffer.alloc(20)], ed25519(other)]),
  ),
  extending(
    "EXTEND2 to port 0",
    "tor-spec 5.1.2",
    PROTOCOL,
    to((other) => [address(0), rsa(other), ed25519(other)]),
  ),
  extending(
    "EXTEND2 to address 0.0.0.0",
    "open",
    PROTOCOL,
    to((other) => [address(other.port, "0.0.0.0"), [2, randomBytes(20)], [3, randomBytes(32)]]),
  ),
  extending("EXTEND2 that announces more specifiers than it has", "tor-spec 5.1.2", PROTOCOL, ({ arena: { other } }) =>
    extend2(usual(other), ntorRequest(other), { count: 9 }),
  ),
  extending("EXTEND2 whose handshake is longer than itself", "tor-spec 5.1.2", PROTOCOL, ({ arena: { other } }) =>
    extend2(usual(other), ntorRequest(other), { length: 400 }),
  ),
  extending("EXTEND2 with bytes behind its handshake", "tor-spec 5.1.2", "EXTENDED2", ({ arena: { other } }) =>
    extend2(usual(other), Buffer.concat([ntorRequest(other), randomBytes(9)]), { length: 84 }),
  ),
  extending("EXTEND2 with nothing in it", "tor-spec 5.1.2", PROTOCOL, () => Buffer.alloc(0)),
  extending(
    "EXTEND2 with a handshake of a type that nobody knows",
    "tor-spec 5.1.2",
    "DESTROY DESTROYED",
    ({ arena: { other } }) => extend2(usual(other), randomBytes(84), { type: 77 }),
  ),
  extending(
    "EXTEND2 with a handshake for somebody else",
    "tor-spec 5.1.2",
    "DESTROY DESTROYED",
    ({ arena: { other } }) => extend2(usual(other), ntorRequest({ ...other, rsaId: randomBytes(20) })),
  ),
  extending("EXTEND2 to a port where nobody listens", "tor-spec 5.4", "DESTROY CONNECTFAILED", ({ arena }) =>
    extend2([address(arena.services.refused), [2, randomBytes(20)], [3, randomBytes(32)]], randomBytes(84)),
  ),
  extending(
    "EXTEND2 to a port where somebody listens who does not speak TLS",
    "tor-spec 5.4",
    "DESTROY CONNECTFAILED",
    ({ arena }) => extend2([address(arena.services.echo), [2, randomBytes(20)], [3, randomBytes(32)]], randomBytes(84)),
  ),
  extending(
    "EXTEND2 to a relay that is somebody else, by its RSA identity",
    "tor-spec 5.3.1",
    "DESTROY OR_IDENTITY",
    ({ arena: { other } }) => extend2([address(other.port), [2, randomBytes(20)], ed25519(other)], ntorRequest(other)),
  ),
  extending(
    "EXTEND2 to a relay that is somebody else, by its Ed25519 identity",
    "tor-spec 5.3.1",
    "DESTROY OR_IDENTITY",
    ({ arena: { other } }) => extend2([address(other.port), rsa(other), [3, randomBytes(32)]], ntorRequest(other)),
  ),
  circuitCase("EXTEND of old", "tor-spec 5.1.2", PROTOCOL, ({ circuit, arena: { other } }) => {
    const [, ip] = address(other.port);
    circuit.sendBody(RelayCommand.EXTEND, 0, Buffer.concat([ip, randomBytes(186), other.rsaId]), true);
  }),
  {
    what: "EXTEND2 while another is under way",
    rule: "tor-spec 5.1.2",
    answer: `${PROTOCOL}, to the next relay DESTROY PROTOCOL`,
    play: onFarSide(async ({ circuit, arena }) => {
      circuit.extend(arena.other);
      return undefined;
    }),
  },
  {
    what: "EXTEND2 to a relay whose circuit goes further already",
    rule: "tor-spec 5.1.2",
    answer: `${PROTOCOL}, to the next relay DESTROY PROTOCOL`,
    play: onFarSide(async ({ circuit, arena, extended }) => {
      await extended();
      circuit.extend(arena.other);
      return undefined;
    }),
  },
  {
    what: "TRUNCATE while an EXTEND2 is under way",
    rule: "tor-spec 5.4",
    answer: "TRUNCATED REQUESTED, to the next relay DESTROY REQUESTED",
    play: onFarSide(async ({ circuit, endsHere }) => {
      endsHere();
      circuit.sendBody(RelayCommand.TRUNCATE, 0, Buffer.of(3));
      await circuit.receives(RelayCommand.TRUNCATED, 0);
      return undefined;
    }),
  },
  {
    what: "DESTROY while an EXTEND2 is under way",
    rule: "tor-spec 5.4",
    answer: "serves the circuit no more, to the next relay DESTROY DESTROYED",
    play: onFarSide(async ({ circuit, far, peer }) => {
      peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(0));
      await far.peer.until(
        () => (far.peer.cells.some(({ command }) => command === ChannelCommand.DESTROY) ? true : undefined),
        2_000,
      );
      return undefined;
    }),
  },
];

/** Asking for a circuit to go further. */
export const extend: HostileSubject = {
  title: "Extending a circuit",
  about:
    "The peer is a relay with two circuits that end at the target, of which one is the neighbour; the other is extended.",
  cases,
};
