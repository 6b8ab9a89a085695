import {
  ChannelCommand,
  destroyReasonName,
  endReasonName,
  type LinkSpecifier,
  RelayCommand,
  type RelayMessage,
  relayCellV0,
  relayCommandName,
  writeRelayMessage,
} from "@allium/cell";
import {
  ClientCrypto,
  fastClientEnd,
  type HandshakeTarget,
  keyMaterialLength,
  splitKeyMaterial,
  tor1,
} from "@allium/crypto";
import { beginHandshake } from "../support/client-handshake.ts";
import { randomBytes } from "./identity.ts";
import type { LinkPeer, ReceivedCell } from "./link-peer.ts";
import type { Target } from "./target.ts";

/** A message that a hop has sent. */
export interface RelayEvent {
  /** Negative for a cell that no hop has sealed: its body is all that is left under the layers. */
  readonly hop: number;
  readonly command: number;
  readonly streamId: number;
  readonly body: Buffer;
  /** What a SENDME for its cell has to prove. */
  readonly tag: Buffer;
}

const MATERIAL = keyMaterialLength(tor1);
const PAYLOAD = 509;

/** The plain payload of a relay cell, with any field as wrong as one likes. */
export const plainCell = (
  command: number,
  streamId: number,
  data: Buffer = Buffer.alloc(0),
  length = data.length,
): Buffer => {
  const cell = Buffer.alloc(PAYLOAD);
  cell[0] = command;
  cell.writeUInt16BE(streamId, 3);
  cell.writeUInt16BE(length, 9);
  data.copy(cell, 11);
  return cell;
};

/** How an EXTEND2 names a relay. */
export const specifiersOf = (target: Target): ReadonlyArray<LinkSpecifier> => [
  { _tag: "TLS_TCP", address: { family: 4, address: "127.0.0.1" }, port: target.port },
  { _tag: "RSA_ID", id: target.rsaId },
  { _tag: "ED25519_ID", id: target.ed25519Id },
];

/** A message as reports have it: its name, and the reason if it gives one. */
export const describeEvent = ({ command, body }: Pick<RelayEvent, "command" | "body">): string => {
  const name = relayCommandName(command) ?? `command ${command}`;
  const reason = body[0] ?? 0;
  switch (command) {
    case RelayCommand.END:
      return `${name} ${endReasonName(reason) ?? reason}`;
    case RelayCommand.TRUNCATED:
      return `${name} ${destroyReasonName(reason) ?? reason}`;
    case RelayCommand.RESOLVED:
      return body[0] === 0xf0 || body[0] === 0xf1 ? `${name} error` : name;
    default:
      return name;
  }
};

/** A circuit was refused, for a reason unless it was not answered at all. */
export class NoCircuit extends Error {
  readonly reason: number | undefined;

  constructor(reason: number | undefined) {
    super(
      reason === undefined ? "no circuit: no answer" : `no circuit: DESTROY ${destroyReasonName(reason) ?? reason}`,
    );
    this.reason = reason;
  }
}

/** A circuit whose client keeps no rules. */
export class HostileCircuit {
  readonly peer: LinkPeer;
  readonly circId: number;
  readonly crypto = new ClientCrypto();
  /** What hops have sent. */
  readonly events: Array<RelayEvent> = [];
  /** The reason of the DESTROY that came. */
  destroyed: number | undefined = undefined;
  /** The body of the CREATED2 or CREATED_FAST. */
  created: Buffer | undefined = undefined;
  /** RELAY_EARLY cells that came, which no relay may send towards a client. */
  early = 0;
  private readonly reader = relayCellV0.makeReader();

  constructor(peer: LinkPeer, circId: number) {
    this.peer = peer;
    this.circId = circId;
    peer.route(circId, (cell) => this.onCell(cell));
  }

  private onCell({ command, body }: ReceivedCell): void {
    switch (command) {
      case ChannelCommand.CREATED2:
      case ChannelCommand.CREATED_FAST:
        this.created = body;
        break;
      case ChannelCommand.DESTROY:
        this.destroyed ??= body[0] ?? 0;
        break;
      case ChannelCommand.RELAY_EARLY:
        this.early++;
        this.onRelay(body);
        break;
      case ChannelCommand.RELAY:
        this.onRelay(body);
        break;
      default:
        throw new Error(`a cell with command ${command} on circuit ${this.circId}`);
    }
  }

  private onRelay(payload: Buffer): void {
    const plain = this.crypto.inbound.decrypt(Buffer.from(payload), 1);
    const hop = this.crypto.inbound.origin(plain, 0);
    if (hop < 0) {
      this.events.push({ hop, command: -1, streamId: 0, body: Buffer.from(plain), tag: Buffer.alloc(0) });
      return;
    }
    const tag = this.crypto.inbound.tag();
    this.reader.reset(plain, 0);
    while (this.reader.next()) {
      const { command, streamId, bytes, start, end } = this.reader;
      this.events.push({ hop, command, streamId, body: Buffer.from(bytes.subarray(start, end)), tag });
    }
  }

  addHop(material: Buffer): void {
    this.crypto.addHop(splitKeyMaterial(material));
  }

  /** Seals a plain payload for a hop, and encrypts it: the body of a RELAY cell. */
  seal(plain: Buffer, hop = this.crypto.hops - 1): Buffer {
    this.crypto.outbound.originate(plain, 0, hop);
    return this.crypto.outbound.encrypt(plain, 1, hop);
  }

  /** Sends a plain payload to a hop. */
  sendPlain(plain: Buffer, options: { readonly hop?: number; readonly early?: boolean } = {}): void {
    const command = options.early === true ? ChannelCommand.RELAY_EARLY : ChannelCommand.RELAY;
    this.peer.sendCell(this.circId, command, this.seal(plain, options.hop));
  }

  /** Sends a message with any body, on any stream. */
  sendBody(command: number, streamId: number, body: Buffer = Buffer.alloc(0), early = false): void {
    this.sendPlain(plainCell(command, streamId, body), { early });
  }

  /** Sends a well-formed message. */
  send(streamId: number, message: RelayMessage, early = false): void {
    const slab = Buffer.alloc(PAYLOAD);
    writeRelayMessage(relayCellV0, slab, 0, streamId, message);
    this.sendPlain(slab, { early });
  }

  /** Sends so many full DATA cells. */
  sendData(streamId: number, cells: number): void {
    const data = Buffer.alloc(relayCellV0.maxDataLength);
    for (let count = 0; count < cells; count++) this.sendBody(RelayCommand.DATA, streamId, data);
  }

  /** BEGIN to an address in a text, with the NUL that ends it. */
  begin(streamId: number, addrPort: string): void {
    this.sendBody(RelayCommand.BEGIN, streamId, Buffer.from(`${addrPort}\0\0\0\0\0`, "latin1"));
  }

  /** Waits until so many messages have come with this command on this stream; false if the circuit or the time ends first. */
  async receives(command: number, streamId: number, count = 1, timeoutMs = 20_000): Promise<boolean> {
    const met = await this.peer.until(() => {
      const found = this.events.filter((event) => event.command === command && event.streamId === streamId).length;
      if (found >= count) return true;
      return this.destroyed !== undefined || this.peer.closed ? false : undefined;
    }, timeoutMs);
    return met === true;
  }

  /** Opens a stream. @throws Error if it is refused */
  async connect(streamId: number, addrPort: string): Promise<void> {
    this.begin(streamId, addrPort);
    if (!(await this.receives(RelayCommand.CONNECTED, streamId))) throw new Error(`no CONNECTED to ${addrPort}`);
  }

  /** Sends an EXTEND2 in RELAY_EARLY; returns what to do with the answer. */
  extend(
    to: Target,
    specifiers: ReadonlyArray<LinkSpecifier> = specifiersOf(to),
    early = true,
  ): (reply: Buffer) => void {
    const { type, request, finish } = beginHandshake(handshakeTarget(to), randomBytes(32));
    this.send(0, { _tag: "EXTEND2", linkSpecifiers: specifiers, handshakeType: type, handshake: request }, early);
    return (reply) => this.addHop(finish(reply).material);
  }

  /** Waits for the relay's answer to CREATE. @throws NoCircuit if it refuses, or does not answer */
  async awaitCreated(timeoutMs = 20_000): Promise<Buffer> {
    await this.peer.until(
      () => (this.created !== undefined || this.destroyed !== undefined || this.peer.closed ? true : undefined),
      timeoutMs,
    );
    if (this.created === undefined) throw new NoCircuit(this.destroyed);
    return this.created;
  }
}

const handshakeTarget = (target: Target): HandshakeTarget => ({
  rsaIdentity: target.rsaId,
  ed25519Identity: target.ed25519Id,
  onionKey: target.onionKey,
});

/** Circuit IDs of the half that whoever has connected must use. */
let lastCircId = 0x8000_0000;

/** A circuit ID that was not used before. */
export const freshCircId = (): number => ++lastCircId;

/** A circuit of one hop by CREATE_FAST. */
export const createFast = async (
  peer: LinkPeer,
  circId = freshCircId(),
  timeoutMs?: number,
): Promise<HostileCircuit> => {
  const circuit = new HostileCircuit(peer, circId);
  const x = randomBytes(20);
  peer.sendCell(circId, ChannelCommand.CREATE_FAST, x);
  circuit.addHop(fastClientEnd(x, (await circuit.awaitCreated(timeoutMs)).subarray(0, 40), MATERIAL));
  return circuit;
};

/**
 * A circuit of one hop on a client's new channel, by CREATE_FAST. Once a second `tor` ends what it takes for idle circuits of
 * clients: those that end at it, without streams, on a channel on which it has sent no circuit's cell for a minute, or ever
 * (`circuit_expire_old_circuits_serverside`). The first of a channel can be among them, just before its answer or after it; so
 * there is one before the one that counts.
 */
export const createFirst = async (peer: LinkPeer, timeoutMs?: number): Promise<HostileCircuit> => {
  await createFast(peer, freshCircId(), timeoutMs).catch((error) => {
    if (!(error instanceof NoCircuit) || error.reason !== FINISHED) throw error;
  });
  return await createFast(peer, freshCircId(), timeoutMs);
};

/** DESTROY's reason of what ends in order. */
const FINISHED = 9;

/** The body of a CREATE2. */
export const create2Body = (type: number, handshake: Buffer, length = handshake.length): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(length, 2);
  return Buffer.concat([head, handshake]);
};

/** A well-formed ntor handshake for a relay. */
export const ntorRequest = (target: Target): Buffer => beginHandshake(handshakeTarget(target), randomBytes(32)).request;

/** A circuit of one hop by ntor, or by ntor-v3 with congestion control. */
export const create = async (peer: LinkPeer, target: Target, congestionControl = false): Promise<HostileCircuit> => {
  const circuit = new HostileCircuit(peer, freshCircId());
  const { type, request, finish } = beginHandshake(handshakeTarget(target), randomBytes(32), congestionControl);
  peer.sendCell(circuit.circId, ChannelCommand.CREATE2, create2Body(type, request));
  const body = await circuit.awaitCreated();
  circuit.addHop(finish(body.subarray(2, 2 + body.readUInt16BE(0))).material);
  return circuit;
};
