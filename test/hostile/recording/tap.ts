import { CellDecoder, ChannelCommand, HandshakeType, relayCellV0 } from "@allium/cell";
import { type Connection, Entropy, Transport, WrappedConnection } from "@allium/channel";
import {
  ClientCrypto,
  fastClientEnd,
  fastRandomLength,
  fastReplyLength,
  type HandshakeServerKeys,
  keyMaterialLength,
  ntorServer,
  ntorV3Server,
  type RelayCrypto,
  relayCrypto,
  splitKeyMaterial,
  tor1,
  X25519KeyPair,
} from "@allium/crypto";
import { Effect, Layer } from "effect";

/** A relay message, as its ends have it. */
export interface TappedMessage {
  readonly command: number;
  readonly streamId: number;
  readonly body: Buffer;
}

/** A connection of the relay that is tapped. */
export interface TappedLink {
  /** Whether the other side has connected, and not the relay. */
  readonly accepted: boolean;
  /** The port on the other side: of a relay that was connected to, its ORPort. */
  readonly remotePort: number;
}

/** A cell as it passed the tap. */
export interface TappedCell {
  readonly link: TappedLink;
  /** To the relay that is tapped, or from it. */
  readonly direction: "in" | "out";
  readonly circId: number;
  readonly command: number;
  readonly body: Buffer;
  /** What is in a RELAY or RELAY_EARLY cell, if the relay itself can read it. */
  readonly message?: TappedMessage;
  /** What the client encrypted for the relay in a CREATE2 by ntor-v3. */
  readonly extensions?: Buffer;
}

/** The connection was closed by the other side. */
export interface TappedEnd {
  readonly link: TappedLink;
  readonly direction: "end";
}

/** A circuit whose first hop behind the link is the relay. */
interface TappedCircuit {
  readonly create: TappedCell;
  crypto?: { readonly relay: RelayCrypto; readonly client: ClientCrypto };
}

const MATERIAL = keyMaterialLength(tor1);
const reader = relayCellV0.makeReader();

const read = (plain: Buffer): TappedMessage => {
  reader.reset(plain, 0);
  reader.next();
  const { command, streamId, bytes, start, end } = reader;
  return { command, streamId, body: Buffer.from(bytes.subarray(start, end)) };
};

/**
 * Listens in on a relay: all cells of all of its links, and what is in those that are for the relay itself or from it. It stands
 * between the relay and its services, the transport and the generator of random numbers, and knows the relay's keys: the relay
 * itself does not know of it.
 */
export class Tap {
  /** In the order in which the relay has read or written them. */
  readonly events: Array<TappedCell | TappedEnd> = [];
  /** The relay's keys, once there are some. Set before circuits are created. */
  keys: HandshakeServerKeys | undefined = undefined;
  /** Ephemeral keys that the relay may have made, by their public halves. */
  private readonly ephemerals = new Map<string, X25519KeyPair>();

  /** The transport with the tap in it. TLS connections only: others are streams of exits, and directory requests. */
  readonly layerTransport = (inner: Layer.Layer<Transport>): Layer.Layer<Transport> =>
    Layer.effect(
      Transport,
      Effect.map(Transport, ({ connect, listen }) =>
        Transport.of({
          connect: (endpoint, options) =>
            Effect.map(connect(endpoint, options), (connection) =>
              options.tls ? this.tapped(connection, false) : connection,
            ),
          listen: (endpoint, options) =>
            listen(endpoint, {
              ...options,
              onConnection: (connection) =>
                options.onConnection(options.tls === undefined ? connection : this.tapped(connection, true)),
            }),
        }),
      ),
    ).pipe(Layer.provide(inner));

  /** The generator with the tap in it: the secrets of ephemeral keys are drawn from it. */
  readonly layerEntropy = (inner: Layer.Layer<Entropy>): Layer.Layer<Entropy> =>
    Layer.effect(
      Entropy,
      Effect.map(Entropy, ({ bytes, below }) =>
        Entropy.of({
          bytes: (length) => {
            const drawn = bytes(length);
            if (length === 32) {
              const pair = X25519KeyPair.fromSecret(drawn);
              this.ephemerals.set(pair.publicKey.toString("hex"), pair);
            }
            return drawn;
          },
          below,
        }),
      ),
    ).pipe(Layer.provide(inner));

  private tapped(connection: Connection, accepted: boolean): Connection {
    const link = new LinkTap(this, { accepted, remotePort: connection.remote.port });
    return new TappedConnection(connection, link);
  }

  /** Keys of a circuit, from both halves of its handshake; and what else the handshake tells. */
  agree(create: TappedCell, created: Buffer): { readonly material: Buffer; readonly extensions?: Buffer } | undefined {
    if (create.command === ChannelCommand.CREATE_FAST) {
      const sent = create.body.subarray(0, fastRandomLength);
      return { material: fastClientEnd(sent, created.subarray(0, fastReplyLength), MATERIAL) };
    }
    const { keys } = this;
    const ephemeral = this.ephemerals.get(created.subarray(2, 34).toString("hex"));
    if (create.command !== ChannelCommand.CREATE2 || keys === undefined || ephemeral === undefined) return undefined;
    const request = create.body.subarray(4, 4 + create.body.readUInt16BE(2));
    if (create.body.readUInt16BE(0) === HandshakeType.NTOR) return ntorServer(keys, request, ephemeral, MATERIAL);
    let extensions: Buffer = Buffer.alloc(0);
    const respond = (message: Buffer): Buffer => {
      extensions = message;
      return Buffer.alloc(0);
    };
    // The answer to the message is not part of what keys are made of.
    const { material } = ntorV3Server(keys, request, ephemeral, respond, MATERIAL);
    return { material, extensions };
  }
}

/** Cells of one link, in both directions. */
class LinkTap {
  private readonly tap: Tap;
  private readonly link: TappedLink;
  private readonly decoders = { in: new CellDecoder(), out: new CellDecoder() };
  private readonly circuits = new Map<number, TappedCircuit>();

  constructor(tap: Tap, link: TappedLink) {
    this.tap = tap;
    this.link = link;
  }

  /** Bytes were read or written. */
  pass(direction: "in" | "out", bytes: Buffer): void {
    const decoder = this.decoders[direction];
    // The relay decrypts in place.
    decoder.push(Buffer.from(bytes));
    while (decoder.next()) {
      const { circId, command, bytes: chunk, start, end } = decoder;
      if (command === ChannelCommand.VERSIONS) decoder.setLinkProtocol(4);
      this.onCell({ link: this.link, direction, circId, command, body: Buffer.from(chunk.subarray(start, end)) });
    }
  }

  /** The other side has closed. */
  end(): void {
    this.tap.events.push({ link: this.link, direction: "end" });
  }

  private onCell(cell: TappedCell): void {
    const circuit = this.circuits.get(cell.circId);
    this.tap.events.push(this.understood(cell, circuit));
    switch (cell.command) {
      case ChannelCommand.CREATE_FAST:
      case ChannelCommand.CREATE2:
        if (cell.direction === "in") this.circuits.set(cell.circId, { create: cell });
        break;
      case ChannelCommand.CREATED_FAST:
      case ChannelCommand.CREATED2:
        if (cell.direction === "out" && circuit !== undefined) this.created(circuit, cell.body);
        break;
      case ChannelCommand.DESTROY:
        this.circuits.delete(cell.circId);
    }
  }

  private created(circuit: TappedCircuit, body: Buffer): void {
    const agreed = this.tap.agree(circuit.create, body);
    if (agreed === undefined) return;
    const keys = splitKeyMaterial(agreed.material);
    const client = new ClientCrypto();
    client.addHop(keys);
    circuit.crypto = { relay: relayCrypto(keys), client };
    const at = this.tap.events.indexOf(circuit.create);
    if (agreed.extensions !== undefined && at >= 0) {
      this.tap.events[at] = { ...circuit.create, extensions: agreed.extensions };
    }
  }

  private understood(cell: TappedCell, circuit: TappedCircuit | undefined): TappedCell {
    if (cell.command !== ChannelCommand.RELAY && cell.command !== ChannelCommand.RELAY_EARLY) return cell;
    if (circuit?.crypto === undefined) return cell;
    const inbound = cell.direction === "in" ? circuit.crypto.relay.inbound : circuit.crypto.client.inbound;
    const plain = inbound.decrypt(Buffer.from(cell.body), 1);
    return inbound.origin(plain, 0) < 0 ? cell : { ...cell, message: read(plain) };
  }
}

/** A connection that is listened in on. */
class TappedConnection extends WrappedConnection {
  private readonly link: LinkTap;
  private over = false;

  constructor(inner: Connection, link: LinkTap) {
    super(inner);
    this.link = link;
  }

  override onChange(listener: () => void): void {
    this.inner.onChange(() => {
      if (!this.over && this.inner.status !== "open" && this.inner.readable === 0) {
        this.over = true;
        this.link.end();
      }
      listener();
    });
  }

  override read(): Buffer | undefined {
    const bytes = this.inner.read();
    if (bytes !== undefined) this.link.pass("in", bytes);
    return bytes;
  }

  override write(bytes: Buffer): void {
    this.link.pass("out", bytes);
    this.inner.write(bytes);
  }

  override destroy(): void {
    this.over = true;
    this.inner.destroy();
  }

  override reset(): void {
    this.over = true;
    this.inner.reset();
  }
}
