import type { Random } from "../../../test/support/fuzz.ts";
import type {
  ChannelMessage,
  ChannelMessageTag,
  Destination,
  IpAddress,
  LinkSpecifier,
  NetinfoAddress,
  RelayMessage,
  RelayMessageTag,
  RequestExtension,
  ResolvedAnswer,
} from "../src/index.ts";
import { ipFromBytes } from "../src/index.ts";

/** Up to `most` items. */
const list = <A>(random: Random, most: number, item: (index: number) => A): Array<A> =>
  Array.from({ length: random.below(most + 1) }, (_, index) => item(index));

/** Bytes of up to `most` bytes, sometimes none and sometimes the most. */
const blob = (random: Random, most: number): Buffer =>
  random.bytes(random.oneIn(8) ? most : random.oneIn(8) ? 0 : random.below(most + 1));

const byte = (random: Random): number => random.below(256);
const short = (random: Random): number => random.below(65_536);

/** An address; among IPv6 ones those with runs of zeros, which have the most ways to be written. */
export const randomIp = (random: Random, family: 4 | 6 = random.oneIn(2) ? 4 : 6): IpAddress => {
  const bytes = random.bytes(family === 4 ? 4 : 16);
  if (family === 6) {
    for (let at = 0; at < 16; at += 2) if (random.oneIn(2)) bytes.fill(0, at, at + 2);
    if (random.oneIn(8)) bytes.fill(0, 0, 10).fill(0xff, 10, 12);
  }
  return ipFromBytes(bytes) as IpAddress;
};

const randomName = (random: Random): string => {
  const length = 1 + random.below(random.oneIn(10) ? 255 : 24);
  const letters = Array.from({ length }, () => random.pick([..."abcxyz0189-._"]));
  // A leading letter that is no hexadecimal digit keeps it from being an address.
  return `x${letters.join("")}`.slice(0, 255);
};

/** A destination of any family. */
export const randomDestination = (random: Random): Destination =>
  random.oneIn(2) ? { family: "name", address: randomName(random) } : randomIp(random);

const randomNetinfoAddress = (random: Random): NetinfoAddress => {
  if (!random.oneIn(4)) return randomIp(random);
  const type = random.pick([0, 4, 6, 7, 255]);
  return { family: "unknown", type, value: random.bytes(random.pick([0, 1, 3, 5, 15, 17])) };
};

/** One message of each kind, encodable, with every field drawn. */
export const channelMessages: {
  readonly [Tag in ChannelMessageTag]: (random: Random) => Extract<ChannelMessage, { _tag: Tag }>;
} = {
  VERSIONS: (random) => ({ _tag: "VERSIONS", versions: list(random, 8, () => short(random)) }),
  CERTS: (random) => ({
    _tag: "CERTS",
    certs: list(random, 9, (index) => ({ type: (index * 29) % 256, body: blob(random, 700) })),
  }),
  AUTH_CHALLENGE: (random) => ({
    _tag: "AUTH_CHALLENGE",
    challenge: random.bytes(32),
    methods: list(random, 5, () => short(random)),
  }),
  AUTHENTICATE: (random) => ({ _tag: "AUTHENTICATE", method: short(random), authentication: blob(random, 400) }),
  NETINFO: (random) => ({
    _tag: "NETINFO",
    timestamp: random.uint32(),
    otherAddress: randomNetinfoAddress(random),
    myAddresses: list(random, 12, () => randomNetinfoAddress(random)),
  }),
  PADDING: () => ({ _tag: "PADDING" }),
  VPADDING: (random) => ({ _tag: "VPADDING", length: random.below(2000) }),
  PADDING_NEGOTIATE: (random) => ({
    _tag: "PADDING_NEGOTIATE",
    command: random.pick([1, 2] as const),
    itoLowMs: short(random),
    itoHighMs: short(random),
  }),
  AUTHORIZE: (random) => ({ _tag: "AUTHORIZE", body: blob(random, 900) }),
  CREATE: (random) => ({ _tag: "CREATE", handshake: random.bytes(186) }),
  CREATED: (random) => ({ _tag: "CREATED", handshake: random.bytes(148) }),
  CREATE_FAST: (random) => ({ _tag: "CREATE_FAST", keyMaterial: random.bytes(20) }),
  CREATED_FAST: (random) => ({
    _tag: "CREATED_FAST",
    keyMaterial: random.bytes(20),
    derivativeKeyData: random.bytes(20),
  }),
  CREATE2: (random) => ({ _tag: "CREATE2", handshakeType: short(random), handshake: blob(random, 505) }),
  CREATED2: (random) => ({ _tag: "CREATED2", handshake: blob(random, 507) }),
  DESTROY: (random) => ({ _tag: "DESTROY", reason: byte(random) }),
};

/** Any channel message. */
export const randomChannelMessage = (random: Random): ChannelMessage =>
  random.pick(Object.values(channelMessages))(random);

const randomSpecifier = (random: Random): LinkSpecifier =>
  random.oneIn(3)
    ? { _tag: "UNKNOWN", type: 4 + random.below(252), body: blob(random, 30) }
    : { _tag: "TLS_TCP", address: randomIp(random), port: short(random) };

const randomSpecifiers = (random: Random): Array<LinkSpecifier> => {
  const specifiers = list(random, 3, () => randomSpecifier(random));
  const insert = (specifier: LinkSpecifier) => specifiers.splice(random.below(specifiers.length + 1), 0, specifier);
  if (!random.oneIn(3)) insert({ _tag: "RSA_ID", id: random.bytes(20) });
  if (!random.oneIn(3)) insert({ _tag: "ED25519_ID", id: random.bytes(32) });
  return specifiers;
};

const randomAnswer = (random: Random): ResolvedAnswer => {
  const ttl = random.uint32();
  switch (random.below(3)) {
    case 0:
      return { _tag: "HOSTNAME", name: randomName(random).slice(0, 60), ttl };
    case 1:
      return { _tag: "UNKNOWN", type: random.pick([1, 5, 7, 0xef, 0xf2]), value: blob(random, 30), ttl };
    default:
      return { _tag: "ADDRESS", address: randomIp(random, 6), ttl };
  }
};

/** Answers in the order in which they are sent: an IPv4 address, if there is one, first. */
const randomAnswers = (random: Random): Array<ResolvedAnswer> => {
  if (random.oneIn(5)) return [{ _tag: "ERROR", transient: random.oneIn(2), ttl: random.uint32() }];
  const answers = list(random, 5, () => randomAnswer(random));
  return random.oneIn(2)
    ? [{ _tag: "ADDRESS", address: randomIp(random, 4), ttl: random.uint32() }, ...answers]
    : answers;
};

const randomLink = (random: Random) => ({
  nonce: random.bytes(32),
  lastSeqnoSent: random.bytes(8).readBigUInt64BE(),
  lastSeqnoReceived: random.bytes(8).readBigUInt64BE(),
  desiredUx: byte(random),
  ...(random.oneIn(2) && { resumption: random.uint32() }),
});

const randomResolved = (random: Random) =>
  random.oneIn(3) ? undefined : { address: randomIp(random), ttl: random.uint32() };

/** One message of each kind, encodable, with every field drawn. */
export const relayMessages: {
  readonly [Tag in RelayMessageTag]: (random: Random) => Extract<RelayMessage, { _tag: Tag }>;
} = {
  BEGIN: (random) => ({
    _tag: "BEGIN",
    destination: randomDestination(random),
    port: 1 + random.below(65_535),
    flags: random.below(8),
  }),
  BEGIN_DIR: () => ({ _tag: "BEGIN_DIR" }),
  DATA: (random) => ({ _tag: "DATA", data: blob(random, 498) }),
  END: (random) => {
    const resolved = randomResolved(random);
    return { _tag: "END", reason: resolved === undefined ? byte(random) : 4, resolved };
  },
  CONNECTED: (random) => {
    const resolved = randomResolved(random);
    return { _tag: "CONNECTED", resolved: resolved?.address.address === "0.0.0.0" ? undefined : resolved };
  },
  RESOLVE: (random) => ({ _tag: "RESOLVE", query: randomDestination(random) }),
  RESOLVED: (random) => ({ _tag: "RESOLVED", answers: randomAnswers(random) }),
  XOFF: () => ({ _tag: "XOFF" }),
  XON: (random) => ({ _tag: "XON", kilobytesPerSecond: random.uint32() }),
  SENDME: (random) =>
    random.oneIn(3)
      ? { _tag: "SENDME", version: 0 }
      : { _tag: "SENDME", version: 1, tag: random.bytes(random.pick([16, 20])) },
  EXTEND2: (random) => ({
    _tag: "EXTEND2",
    linkSpecifiers: randomSpecifiers(random),
    handshakeType: short(random),
    handshake: blob(random, 300),
  }),
  EXTENDED2: (random) => ({ _tag: "EXTENDED2", handshake: blob(random, 496) }),
  EXTEND: (random) => ({
    _tag: "EXTEND",
    address: randomIp(random, 4),
    port: short(random),
    handshake: random.bytes(186),
    rsaId: random.bytes(20),
  }),
  EXTENDED: (random) => ({ _tag: "EXTENDED", handshake: random.bytes(148) }),
  TRUNCATE: () => ({ _tag: "TRUNCATE" }),
  TRUNCATED: (random) => ({ _tag: "TRUNCATED", reason: byte(random) }),
  DROP: () => ({ _tag: "DROP" }),
  PADDING_NEGOTIATE: (random) => ({
    _tag: "PADDING_NEGOTIATE",
    command: random.pick([1, 2] as const),
    machineType: byte(random),
    echoRequest: random.oneIn(2),
    machineCounter: random.uint32(),
  }),
  PADDING_NEGOTIATED: (random) => ({
    _tag: "PADDING_NEGOTIATED",
    command: random.pick([1, 2] as const),
    response: random.pick([1, 2] as const),
    machineType: byte(random),
    machineCounter: random.uint32(),
  }),
  CONFLUX_LINK: (random) => ({ _tag: "CONFLUX_LINK", ...randomLink(random) }),
  CONFLUX_LINKED: (random) => ({ _tag: "CONFLUX_LINKED", ...randomLink(random) }),
  CONFLUX_LINKED_ACK: () => ({ _tag: "CONFLUX_LINKED_ACK" }),
  CONFLUX_LEG_ENDED: (random) => ({ _tag: "CONFLUX_LEG_ENDED", leg: random.uint32() }),
  CONFLUX_REWIND: (random) => ({ _tag: "CONFLUX_REWIND", lastSeqno: random.bytes(8).readBigUInt64BE() }),
  CONFLUX_SWITCH: (random) => ({ _tag: "CONFLUX_SWITCH", relativeSeqno: random.uint32() }),
};

/** Any relay message. */
export const randomRelayMessage = (random: Random): RelayMessage => random.pick(Object.values(relayMessages))(random);

/** Extensions of a request in the order in which they are sent: ascending, one of a type. */
export const randomRequestExtensions = (random: Random): Array<RequestExtension> => {
  const extensions: Array<RequestExtension> = [];
  if (random.oneIn(2)) extensions.push({ _tag: "CC_REQUEST" });
  if (random.oneIn(2)) extensions.push({ _tag: "UNKNOWN", type: 2, body: blob(random, 40) });
  if (random.oneIn(2)) {
    const protocols = list(random, 6, (index) => ({ protocol: index, version: byte(random) }));
    extensions.push({ _tag: "SUBPROTOCOL_REQUEST", protocols });
  }
  if (random.oneIn(2)) extensions.push({ _tag: "UNKNOWN", type: 4 + (byte(random) % 252), body: blob(random, 255) });
  return extensions;
};
