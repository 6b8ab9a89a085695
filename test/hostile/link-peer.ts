import { createHash } from "node:crypto";
import * as tls from "node:tls";
import { CellDecoder, writeCellHeader } from "@allium/cell";

/** A cell as it came, with the bytes that it came in. */
export interface ReceivedCell {
  readonly circId: number;
  readonly command: number;
  readonly body: Buffer;
  readonly raw: Buffer;
}

/** Any cell, well formed or not: of fixed length if `length` is absent, else with that in its length field. */
export const rawCell = (
  circId: number,
  command: number,
  body: Buffer,
  length?: number,
  circIdLen: 2 | 4 = 4,
): Buffer => {
  const header = Buffer.alloc(circIdLen + 1);
  writeCellHeader(header, 0, circId, command, circIdLen);
  if (length === undefined) return Buffer.concat([header, body, Buffer.alloc(Math.max(0, 509 - body.length))]);
  const lengthField = Buffer.alloc(2);
  lengthField.writeUInt16BE(length);
  return Buffer.concat([header, lengthField, body]);
};

/** A variable-length cell whose length field is right. */
export const variableCell = (command: number, body: Buffer, circId = 0): Buffer =>
  rawCell(circId, command, body, body.length);

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/**
 * One end of a channel that keeps no rules: over real TLS it sends whatever it is told to, and notes what comes. All that it
 * enforces is the framing of what it reads.
 */
export class LinkPeer {
  readonly socket: tls.TLSSocket;
  /** Cells that no circuit has taken, in the order of their coming. */
  readonly cells: Array<ReceivedCell> = [];
  /** All bytes of the handshake that this side has sent, and all cells that it has received: what AUTHENTICATE signs. */
  readonly sent: Array<Buffer> = [];
  readonly heard: Array<ReceivedCell> = [];
  closed = false;
  private readonly decoder = new CellDecoder();
  private readonly circuits = new Map<number, (cell: ReceivedCell) => void>();
  private readonly watchers = new Set<() => void>();

  constructor(socket: tls.TLSSocket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.onData(chunk));
    socket.on("error", () => {});
    // Its end of sending is the end of the channel: no side of one sends on after the other has stopped.
    for (const event of ["end", "close"] as const) {
      socket.on(event, () => {
        this.closed = true;
        this.changed();
      });
    }
  }

  /** Connects, and finishes TLS. */
  static async connect(port: number): Promise<LinkPeer> {
    const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false, minVersion: "TLSv1.2" });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    return new LinkPeer(socket);
  }

  /** SHA-256 of the certificate that the listening side presented. */
  get certificateDigest(): Buffer {
    return sha256(this.socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0));
  }

  /** From here on cells have the circuit IDs of this link protocol. */
  setLinkProtocol(version: number): void {
    this.decoder.setLinkProtocol(version);
  }

  /** Sends bytes as they are. */
  send(...bytes: ReadonlyArray<Buffer>): void {
    const all = Buffer.concat(bytes);
    this.sent.push(all);
    if (!this.closed) this.socket.write(all);
  }

  /** Sends a fixed-length cell. */
  sendCell(circId: number, command: number, body: Buffer = Buffer.alloc(0)): void {
    this.send(rawCell(circId, command, body));
  }

  /** Hands the cells of a circuit to whoever keeps it. */
  route(circId: number, taker: (cell: ReceivedCell) => void): void {
    this.circuits.set(circId, taker);
  }

  /** Waits until `look` finds something, however much or little of it there is, or for so long; then `undefined`. */
  async until<A>(look: () => A | undefined, timeoutMs: number): Promise<A | undefined> {
    const found = look();
    if (found !== undefined) return found;
    return await new Promise((resolve) => {
      const finish = (result: A | undefined): void => {
        clearTimeout(timer);
        this.watchers.delete(watch);
        resolve(result);
      };
      const watch = (): void => {
        const seen = look();
        if (seen !== undefined) finish(seen);
      };
      const timer = setTimeout(() => finish(undefined), timeoutMs);
      this.watchers.add(watch);
    });
  }

  /** Takes the first cell with this command off those that came. @throws Error if none comes, or the channel closes first */
  async take(command: number, timeoutMs = 20_000): Promise<ReceivedCell> {
    const cell = await this.until(() => {
      const index = this.cells.findIndex((candidate) => candidate.command === command);
      return index >= 0 ? this.cells.splice(index, 1)[0] : this.closed ? null : undefined;
    }, timeoutMs);
    if (cell === undefined || cell === null) throw new Error(`no cell with command ${command} came`);
    return cell;
  }

  /** Waits until the other side closes. False if it has not within that time. */
  async closes(timeoutMs: number): Promise<boolean> {
    return (await this.until(() => (this.closed ? true : undefined), timeoutMs)) === true;
  }

  /** Gone at once, without a farewell. */
  destroy(): void {
    this.socket.destroy();
  }

  private onData(chunk: Buffer): void {
    this.decoder.push(chunk);
    while (this.decoder.next()) {
      const { circId, command, bytes, cellStart, start, end } = this.decoder;
      const raw = Buffer.from(bytes.subarray(cellStart, end));
      const cell = { circId, command, body: Buffer.from(bytes.subarray(start, end)), raw };
      if (command === VERSIONS) this.decoder.setLinkProtocol(4);
      if (circId === 0) this.heard.push(cell);
      const taker = this.circuits.get(circId);
      if (taker !== undefined) taker(cell);
      else if (command !== PADDING) this.cells.push(cell);
    }
    this.changed();
  }

  private changed(): void {
    for (const watch of [...this.watchers]) watch();
  }
}

const PADDING = 0;
const VERSIONS = 7;
