import { ChannelCommand, RelayCommand } from "@allium/cell";
import { CertType } from "@allium/crypto";
import type { HostileCase, HostileSubject } from "../case.ts";
import * as certs from "../certs.ts";
import { create2Body } from "../circuit.ts";
import { certsCell, netinfoCell, responderCells, versionsCell } from "../handshake.ts";
import { randomBytes } from "../identity.ts";
import type { LinkPeer } from "../link-peer.ts";
import { comesOf, type FarStage, onExtendTo, onFarSide, PATIENCE_MS } from "../stage.ts";

const created2 = (length: number, declared = length): Buffer =>
  Buffer.concat([Buffer.of(declared >>> 8, declared & 0xff), randomBytes(length)]);

/** What the next relay does instead of answering, or after it. */
const one = (
  what: string,
  rule: string,
  answer: string,
  act: (stage: FarStage) => void | Promise<void>,
): HostileCase => ({
  what,
  rule,
  answer,
  play: onFarSide(async (stage) => {
    await act(stage);
    const isDestroyed = () => stage.circuit.destroyed !== undefined;
    if (answer.startsWith("DESTROY")) await comesOf(stage, isDestroyed);
    else await stage.peer.until(() => isDestroyed() || undefined, 300);
    return undefined;
  }),
});

const cell = ({ far }: FarStage, command: number, body: Buffer = Buffer.alloc(0)): void =>
  far.peer.sendCell(far.circId, command, body);

/** The next relay asks for a circuit on the channel, with a handshake that nobody can answer. */
const askedBack = (what: string, circId: number): HostileCase => ({
  what,
  rule: "tor-spec 5.1.1",
  answer: "to the next relay DESTROY PROTOCOL for what it asks",
  play: onFarSide(async ({ far, extended }) => {
    await extended();
    far.peer.sendCell(circId, ChannelCommand.CREATE2, create2Body(2, randomBytes(84)));
    const destroy = await far.peer.until(
      () => far.peer.cells.find((found) => found.circId === circId && found.command === ChannelCommand.DESTROY),
      PATIENCE_MS,
    );
    return `to the next relay ${destroy?.body[0] === 1 ? "DESTROY PROTOCOL" : "no such DESTROY"} for what it asks`;
  }),
});

const answers: ReadonlyArray<HostileCase> = [
  one("DESTROY in answer to CREATE2", "tor-spec 5.4", "DESTROY DESTROYED", (stage) =>
    cell(stage, ChannelCommand.DESTROY, Buffer.of(5)),
  ),
  one("CREATED2 with nothing in it", "tor-spec 5.1", "EXTENDED2", async (stage) => {
    cell(stage, ChannelCommand.CREATED2, Buffer.of(0, 0));
    await stage.circuit.receives(RelayCommand.EXTENDED2, 0);
  }),
  one(
    "CREATED2 that says it is longer than its cell",
    "tor-spec 5.1",
    "DESTROY PROTOCOL, to the next relay DESTROY PROTOCOL",
    (stage) => cell(stage, ChannelCommand.CREATED2, created2(505, 510)),
  ),
  one(
    "CREATED2 that does not fit into EXTENDED2",
    "tor-spec 5.1",
    "DESTROY PROTOCOL, to the next relay DESTROY PROTOCOL",
    (stage) => cell(stage, ChannelCommand.CREATED2, created2(500)),
  ),
  one(
    "CREATED_FAST in answer to CREATE2",
    "tor-spec 5.1",
    "DESTROY PROTOCOL, to the next relay DESTROY PROTOCOL",
    (stage) => cell(stage, ChannelCommand.CREATED_FAST, randomBytes(40)),
  ),
  one("CREATED in answer to CREATE2", "tor-spec 5.1", "DESTROY PROTOCOL, to the next relay DESTROY PROTOCOL", (stage) =>
    cell(stage, ChannelCommand.CREATED, randomBytes(148)),
  ),
  one("RELAY before CREATED2", "open", "ignored", (stage) => cell(stage, ChannelCommand.RELAY, randomBytes(509))),
  one("CREATED2 twice", "open", "ignored", async (stage) => {
    await stage.extended();
    cell(stage, ChannelCommand.CREATED2, created2(64));
  }),
  one(
    "RELAY_EARLY towards the client",
    "tor-spec 5.6",
    "DESTROY PROTOCOL, to the next relay DESTROY PROTOCOL",
    async (stage) => {
      await stage.extended();
      cell(stage, ChannelCommand.RELAY_EARLY, randomBytes(509));
    },
  ),
  one("RELAY for a circuit that nobody has asked for", "tor-spec 5.4", "ignored", async (stage) => {
    await stage.extended();
    stage.far.peer.sendCell(0x8123_4567, ChannelCommand.RELAY, randomBytes(509));
  }),
  askedBack("CREATE2 by the next relay, with an ID of its own half", 0x0000_0777),
  askedBack("CREATE2 by the next relay, with an ID of the other half", 0x8000_0777),
  one("CREATE2 by the next relay, with the ID of the circuit", "open", "ignored", async (stage) => {
    await stage.extended();
    cell(stage, ChannelCommand.CREATE2, create2Body(2, randomBytes(84)));
  }),
  one("DESTROY after the circuit was extended", "tor-spec 5.4", "DESTROY DESTROYED", async (stage) => {
    await stage.extended();
    cell(stage, ChannelCommand.DESTROY, Buffer.of(1));
  }),
  one(
    "the next channel closes",
    "tor-spec 5.4",
    "DESTROY CHANNEL_CLOSED, the next channel is closed",
    async (stage) => {
      await stage.extended();
      stage.far.peer.socket.end();
    },
  ),
  one(
    "the next channel closes before CREATED2",
    "tor-spec 5.4",
    "DESTROY CHANNEL_CLOSED, the next channel is closed",
    (stage) => {
      stage.far.peer.socket.end();
    },
  ),
  one("TRUNCATED by a next relay that has no right to", "tor-spec 5.4", "ignored", async (stage) => {
    await stage.extended();
    // The target cannot read what comes from there, and passes it on.
    cell(stage, ChannelCommand.RELAY, Buffer.concat([Buffer.of(RelayCommand.TRUNCATED), randomBytes(508)]));
  }),
];

const CONNECTFAILED = "DESTROY CONNECTFAILED";

const link = (
  what: string,
  options: Parameters<typeof onExtendTo>[0],
  answer = CONNECTFAILED,
  rule = "tor-spec 4.2",
): HostileCase => ({
  what,
  rule,
  answer,
  play: onExtendTo(options),
});

const shown = (what: string, change: certs.CertsChange, answer?: string): HostileCase =>
  link(what, { certs: (identity) => change(identity.link.responderCerts, identity) }, answer);

const NAMES = [
  [CertType.RsaIdentity, "the RSA identity's certificate (2)"],
  [CertType.IdentityVerifiesSigning, "the signing key's certificate (4)"],
  [CertType.SigningVerifiesLink, "the link certificate (5)"],
  [CertType.RsaIdentityVerifiesIdentity, "the cross-certificate (7)"],
] as const;

const saying = (cells: (peer: LinkPeer) => ReadonlyArray<Buffer>) => ({
  onVersions: (peer: LinkPeer) => peer.send(...cells(peer)),
});

const handshakes: ReadonlyArray<HostileCase> = [
  ...NAMES.map(([type, name]) => shown(`${name} of the next relay is missing`, certs.without(type))),
  ...NAMES.map(([type, name]) => shown(`${name} of the next relay is badly signed`, certs.badlySigned(type))),
  shown("the next relay's link certificate has ended", certs.expiredLink),
  shown("the next relay's link certificate is for another TLS certificate", certs.otherLink),
  shown("the next relay's signing key's certificate has ended", certs.expiredSigning),
  shown("the next relay's cross-certificate is for another identity", certs.crossCertificate({ otherIdentity: true })),
  link(
    "the next relay sends NETINFO without CERTS",
    saying(() => [netinfoCell()]),
    CONNECTFAILED,
    "tor-spec 4",
  ),
  link("the next relay sends CERTS twice", {
    onVersions: (peer, identity) =>
      peer.send(certsCell(identity.link.responderCerts), ...responderCells(identity.link.responderCerts)),
  }),
  link(
    "the next relay sends CREATED2 before NETINFO",
    {
      onVersions: (peer, identity) => {
        const [certsOf, challenge] = responderCells(identity.link.responderCerts) as [Buffer, Buffer];
        peer.send(certsOf, challenge);
        peer.sendCell(1, ChannelCommand.CREATED2, created2(64));
      },
    },
    CONNECTFAILED,
    "tor-spec 4",
  ),
  link(
    "the next relay sends AUTHENTICATE",
    {
      onVersions: (peer, identity) => {
        peer.send(
          certsCell(identity.link.responderCerts),
          Buffer.concat([Buffer.of(0, 0, 0, 0, ChannelCommand.AUTHENTICATE, 0, 4, 0, 3, 0, 0)]),
        );
      },
    },
    CONNECTFAILED,
    "tor-spec 4",
  ),
  link(
    "the next relay sends a cell of 65535 bytes in the handshake",
    saying(() => [Buffer.concat([Buffer.of(0, 0, 0, 0, ChannelCommand.CERTS, 0xff, 0xff), Buffer.alloc(65_535)])]),
    CONNECTFAILED,
    "tor-spec 4",
  ),
  link(
    "the next relay sends VERSIONS again and again",
    saying(() => Array.from({ length: 20 }, () => versionsCell([4]))),
    "ignored",
    "tor-spec 4",
  ),
  link(
    "the next relay closes after VERSIONS",
    { onVersions: (peer) => peer.socket.end() },
    CONNECTFAILED,
    "tor-spec 5.4",
  ),
];

/** The next relay of a circuit. */
export const far: HostileSubject = {
  title: "The next relay",
  about:
    "A circuit is extended through the target to the peer, which is the relay behind it. It can end that circuit, and its own channel; the neighbour, on the channel of the circuit's client, goes on.",
  cases: [...answers, ...handshakes],
};
