import { ChannelCommand } from "@allium/cell";
import type { HostileCase, HostileSubject } from "../case.ts";
import { authenticate, authenticateCell, certsCell, hello, netinfoCell, versionsCell } from "../handshake.ts";
import { randomBytes } from "../identity.ts";
import { rawCell, variableCell } from "../link-peer.ts";
import { type HandshakeStage, onHandshake, PATIENCE_MS } from "../stage.ts";

/** A handshake as a client, with something sent between the responder's last cell and NETINFO. */
const beforeNetinfo = (...cells: ReadonlyArray<Buffer>) =>
  onHandshake(async ({ peer }) => {
    await hello(peer);
    peer.send(...cells, netinfoCell());
  });

/** A handshake as a client, with something sent before VERSIONS, when circuit IDs have two bytes. */
const beforeVersions = (...cells: ReadonlyArray<Buffer>) =>
  onHandshake(async ({ peer }) => {
    peer.send(...cells);
    await hello(peer).catch(() => {});
    peer.send(netinfoCell());
  });

/** A handshake as a relay, after which something follows that the peer does at will. */
const asRelay = (finish: (stage: HandshakeStage) => ReadonlyArray<Buffer>) =>
  onHandshake(async (stage) => {
    const { peer, arena } = stage;
    await hello(peer);
    peer.send(certsCell(arena.identity.link.initiatorCerts));
    peer.send(...finish(stage));
  });

const netinfoBody = Buffer.concat([Buffer.alloc(4), Buffer.of(4, 4, 127, 0, 0, 1)]);

const CLOSES = "closes the channel";

const cases: ReadonlyArray<HostileCase> = [
  {
    what: "VERSIONS offers nothing that the relay knows",
    rule: "tor-spec 4.1",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      peer.send(versionsCell([1, 2]));
      await peer.closes(PATIENCE_MS);
    }),
  },
  {
    what: "VERSIONS has an empty list",
    rule: "tor-spec 4.1",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      peer.send(versionsCell([]));
      await peer.closes(PATIENCE_MS);
    }),
  },
  {
    what: "VERSIONS has an odd number of bytes",
    rule: "tor-spec 4.1",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      peer.send(rawCell(0, ChannelCommand.VERSIONS, Buffer.of(0, 4, 0, 5, 0), 5, 2));
      await peer.take(ChannelCommand.NETINFO, 1_500).catch(() => {});
      peer.send(netinfoCell());
    }),
  },
  {
    what: "VERSIONS offers the relay's versions among many that nobody knows",
    rule: "tor-spec 4.1",
    answer: "ignored",
    play: onHandshake(async ({ peer }) => {
      await hello(peer, [0, 4, 5, 99, 65_535, ...Array.from({ length: 500 }, () => 77)]);
      peer.send(netinfoCell());
    }),
  },
  {
    what: "VERSIONS comes twice",
    rule: "tor-spec 4",
    answer: "ignored",
    play: beforeNetinfo(variableCell(ChannelCommand.VERSIONS, Buffer.of(0, 4))),
  },
  {
    what: "a fixed-length cell before VERSIONS: NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeVersions(rawCell(0, ChannelCommand.NETINFO, netinfoBody, undefined, 2)),
  },
  {
    what: "CREATE_FAST before VERSIONS",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeVersions(rawCell(0x8001, ChannelCommand.CREATE_FAST, randomBytes(20), undefined, 2)),
  },
  {
    what: "PADDING before VERSIONS",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeVersions(rawCell(0, ChannelCommand.PADDING, Buffer.alloc(0), undefined, 2)),
  },
  {
    what: "VPADDING before VERSIONS",
    rule: "tor-spec 4",
    answer: "ignored",
    play: beforeVersions(rawCell(0, ChannelCommand.VPADDING, randomBytes(100), 100, 2)),
  },
  {
    what: "CERTS before VERSIONS",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeVersions(rawCell(0, ChannelCommand.CERTS, Buffer.of(0), 1, 2)),
  },
  {
    what: "no Tor at all inside TLS: an HTTP request",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      peer.send(Buffer.from(`GET / HTTP/1.1\r\nHost: relay\r\nUser-Agent: ${"x".repeat(600)}\r\n\r\n`));
      await peer.closes(PATIENCE_MS);
    }),
  },
  {
    what: "CREATE_FAST before NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeNetinfo(rawCell(0x8000_0001, ChannelCommand.CREATE_FAST, randomBytes(20))),
  },
  {
    what: "RELAY before NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeNetinfo(rawCell(0x8000_0001, ChannelCommand.RELAY, randomBytes(509))),
  },
  {
    what: "DESTROY before NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeNetinfo(rawCell(0x8000_0001, ChannelCommand.DESTROY, Buffer.of(0))),
  },
  {
    what: "PADDING before NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeNetinfo(rawCell(0, ChannelCommand.PADDING, Buffer.alloc(0))),
  },
  {
    what: "VPADDING before NETINFO",
    rule: "tor-spec 7.2",
    answer: "ignored",
    play: beforeNetinfo(variableCell(ChannelCommand.VPADDING, randomBytes(1_000))),
  },
  {
    what: "AUTHORIZE before NETINFO",
    rule: "tor-spec 4",
    answer: "ignored",
    play: beforeNetinfo(variableCell(ChannelCommand.AUTHORIZE, randomBytes(10))),
  },
  {
    what: "AUTH_CHALLENGE from who connected",
    rule: "tor-spec 4.3",
    answer: CLOSES,
    play: beforeNetinfo(
      variableCell(ChannelCommand.AUTH_CHALLENGE, Buffer.concat([randomBytes(32), Buffer.of(0, 1, 0, 3)])),
    ),
  },
  {
    what: "a fixed-length command that nobody knows, before NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeNetinfo(rawCell(0, 99, Buffer.alloc(0))),
  },
  {
    what: "a variable-length command that nobody knows, before NETINFO",
    rule: "tor-spec 4",
    answer: CLOSES,
    play: beforeNetinfo(variableCell(200, randomBytes(10))),
  },
  {
    what: "a variable-length cell of 65535 bytes before NETINFO",
    rule: "open",
    answer: CLOSES,
    play: beforeNetinfo(variableCell(ChannelCommand.VPADDING, Buffer.alloc(65_535))),
  },
  {
    what: "NETINFO with a circuit ID",
    rule: "tor-spec 4.5",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      await hello(peer);
      peer.send(rawCell(7, ChannelCommand.NETINFO, Buffer.concat([netinfoBody, Buffer.of(0)])));
    }),
  },
  {
    what: "NETINFO announces more addresses than it has",
    rule: "tor-spec 4.5",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      await hello(peer);
      const addresses = Buffer.alloc(499, Buffer.of(4, 255));
      peer.send(rawCell(0, ChannelCommand.NETINFO, Buffer.concat([netinfoBody, Buffer.of(255), addresses])));
    }),
  },
  {
    what: "NETINFO with an address of a kind that nobody knows",
    rule: "tor-spec 4.5",
    answer: "ignored",
    play: onHandshake(async ({ peer }) => {
      await hello(peer);
      peer.send(
        rawCell(0, ChannelCommand.NETINFO, Buffer.concat([Buffer.alloc(4), Buffer.of(77, 3, 1, 2, 3, 1, 78, 0)])),
      );
    }),
  },
  {
    what: "NETINFO from ten years ahead",
    rule: "tor-spec 4.5",
    answer: "ignored",
    play: onHandshake(async ({ peer }) => {
      await hello(peer);
      peer.send(netinfoCell(Math.floor(Date.now() / 1000) + 315_360_000));
    }),
  },
  {
    what: "the whole handshake in pieces of seven bytes, with pauses",
    rule: "open",
    answer: "ignored",
    play: onHandshake(async ({ peer }) => {
      const piecemeal = async (bytes: Buffer): Promise<void> => {
        for (let at = 0; at < bytes.length; at += 7) {
          peer.send(bytes.subarray(at, at + 7));
          await new Promise((resolve) => setTimeout(resolve, 3));
        }
      };
      await piecemeal(versionsCell([4, 5]));
      await peer.take(ChannelCommand.NETINFO);
      await piecemeal(netinfoCell());
    }),
  },
  {
    what: "NETINFO and the first CREATE_FAST in one piece with everything before",
    rule: "open",
    answer: "ignored",
    play: onHandshake(async ({ peer }) => {
      peer.send(versionsCell([5]), netinfoCell());
      await peer.take(ChannelCommand.NETINFO);
    }),
  },
  {
    what: "CERTS comes twice",
    rule: "tor-spec 4.2",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      certsCell(arena.identity.link.initiatorCerts),
      authenticateCell(peer, arena.identity),
      netinfoCell(1),
    ]),
  },
  {
    what: "CERTS without AUTHENTICATE, as a client after all",
    rule: "tor-spec 4.4",
    answer: "ignored",
    play: asRelay(() => [netinfoCell()]),
  },
  {
    what: "CERTS announces more certificates than it has",
    rule: "tor-spec 4.2",
    answer: CLOSES,
    play: onHandshake(async ({ peer, arena }) => {
      await hello(peer);
      peer.send(certsCell(arena.identity.link.initiatorCerts, 9), netinfoCell());
    }),
  },
  {
    what: "CERTS with none",
    rule: "tor-spec 4.2",
    answer: CLOSES,
    play: onHandshake(async ({ peer }) => {
      await hello(peer);
      peer.send(certsCell([]), netinfoCell());
    }),
  },
  {
    what: "CERTS of the other role: what a responder shows",
    rule: "tor-spec 4.2",
    answer: CLOSES,
    play: onHandshake(async ({ peer, arena }) => {
      await hello(peer);
      peer.send(certsCell(arena.identity.link.responderCerts));
      peer.send(authenticateCell(peer, arena.identity), netinfoCell(1));
    }),
  },
  {
    what: "AUTHENTICATE without CERTS",
    rule: "tor-spec 4.4",
    answer: CLOSES,
    play: onHandshake(async ({ peer, arena }) => {
      await hello(peer);
      peer.send(authenticateCell(peer, arena.identity), netinfoCell(1));
    }),
  },
  {
    what: "AUTHENTICATE comes twice",
    rule: "tor-spec 4.4",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => {
      const cell = authenticateCell(peer, arena.identity);
      return [cell, cell, netinfoCell(1)];
    }),
  },
  {
    what: "CERTS after AUTHENTICATE",
    rule: "tor-spec 4.2",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      authenticateCell(peer, arena.identity),
      certsCell(arena.identity.link.initiatorCerts),
      netinfoCell(1),
    ]),
  },
  {
    what: "AUTHENTICATE of the obsolete method 1",
    rule: "tor-spec 4.4.1",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      authenticateCell(peer, arena.identity, { fields: { method: 1, type: Buffer.from("AUTH0001") } }),
      netinfoCell(1),
    ]),
  },
  {
    what: "AUTHENTICATE of a method that nobody knows",
    rule: "tor-spec 4.4",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      authenticateCell(peer, arena.identity, { fields: { method: 4 } }),
      netinfoCell(1),
    ]),
  },
  {
    what: "AUTHENTICATE ends in the middle of its signature",
    rule: "tor-spec 4.4.2",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      authenticateCell(peer, arena.identity, { signed: (bytes) => bytes.subarray(0, -1) }),
      netinfoCell(1),
    ]),
  },
  {
    what: "AUTHENTICATE with nothing in it",
    rule: "tor-spec 4.4.2",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      authenticateCell(peer, arena.identity, { signed: () => Buffer.alloc(0) }),
      netinfoCell(1),
    ]),
  },
  {
    what: "AUTHENTICATE signed by somebody else",
    rule: "tor-spec 4.4.2",
    answer: CLOSES,
    play: asRelay(({ peer, arena }) => [
      authenticateCell(peer, arena.identity, { sign: (bytes) => arena.identity.signing.sign(bytes) }),
      netinfoCell(1),
    ]),
  },
  {
    what: "AUTHENTICATE from another session, recorded and sent again",
    rule: "tor-spec 4.4.2",
    answer: CLOSES,
    play: onHandshake(async ({ peer, arena }) => {
      const { LinkPeer } = await import("../link-peer.ts");
      const first = await LinkPeer.connect(arena.target.port);
      await authenticate(first, arena.identity);
      const recorded = first.sent.at(-1) ?? Buffer.alloc(0);
      await hello(peer);
      peer.send(certsCell(arena.identity.link.initiatorCerts));
      peer.send(recorded);
      first.destroy();
    }),
  },
  ...(
    [
      ["type", "TYPE", Buffer.from("AUTH0002")],
      ["initiatorRsa", "CID", undefined],
      ["responderRsa", "SID", undefined],
      ["initiatorEd25519", "CID_ED", undefined],
      ["responderEd25519", "SID_ED", undefined],
      ["responderLog", "SLOG", undefined],
      ["initiatorLog", "CLOG", undefined],
      ["responderCertificate", "SCERT", undefined],
      ["tlsSecrets", "TLSSECRETS", undefined],
    ] as const
  ).map(
    ([field, name, value]): HostileCase => ({
      what: `AUTHENTICATE, well signed, with a wrong ${name}`,
      rule: "tor-spec 4.4.2",
      answer: CLOSES,
      play: asRelay(({ peer, arena }) => [
        authenticateCell(peer, arena.identity, { fields: { [field]: value ?? randomBytes(32) } }),
        netinfoCell(1),
      ]),
    }),
  ),
];

/** Any cell of a command that has no place in the handshake. */
const misplaced = (name: keyof typeof ChannelCommand, circIdLen: 2 | 4): Buffer => {
  const command = ChannelCommand[name];
  const circId = MISPLACED_WITHOUT_CIRCUIT.has(name) ? 0 : circIdLen === 2 ? 0x8001 : 0x8000_0001;
  const body = randomBytes(100);
  return rawCell(circId, command, body, command >= 128 ? body.length : undefined, circIdLen);
};

const MISPLACED_WITHOUT_CIRCUIT: ReadonlySet<string> = new Set(["PADDING_NEGOTIATE", "AUTH_CHALLENGE", "AUTHENTICATE"]);

const OF_CIRCUITS = [
  "CREATE",
  "CREATED",
  "RELAY",
  "DESTROY",
  "CREATE_FAST",
  "CREATED_FAST",
  "RELAY_EARLY",
  "CREATE2",
  "CREATED2",
  "PADDING_NEGOTIATE",
] as const;

/** Each message in each of the two states that it does not belong to, unless it is above. */
const everywhere: ReadonlyArray<HostileCase> = [
  ...[...OF_CIRCUITS, "AUTH_CHALLENGE" as const, "AUTHENTICATE" as const].map(
    (name): HostileCase => ({
      what: `${name} before VERSIONS`,
      rule: "tor-spec 4",
      answer: CLOSES,
      play: beforeVersions(misplaced(name, 2)),
    }),
  ),
  ...OF_CIRCUITS.map(
    (name): HostileCase => ({
      what: `${name} before NETINFO`,
      rule: "tor-spec 4",
      answer: CLOSES,
      play: beforeNetinfo(misplaced(name, 4)),
    }),
  ),
].filter(({ what }) => cases.every((known) => known.what !== what));

/** What is sent between TLS and the first circuit. */
export const handshake: HostileSubject = {
  title: "The link handshake",
  about:
    "TLS is done; the peer is the side that connected. Nothing but its own channel can suffer, and nobody knows it yet: any violation closes it, without a word.",
  cases: [...cases, ...everywhere],
};
