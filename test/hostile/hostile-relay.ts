import { once } from "node:events";
import * as tls from "node:tls";
import { type CellCert, ChannelCommand } from "@allium/cell";
import { X25519KeyPair } from "@allium/crypto";
import { responderCells, versionsCell } from "./handshake.ts";
import { type HostileIdentity, makeIdentity, randomBytes } from "./identity.ts";
import { LinkPeer } from "./link-peer.ts";
import type { Target } from "./target.ts";

/** How a hostile relay behaves towards whoever connects. */
export interface HostileRelayOptions {
  /** The versions that it offers. @default 4 and 5 */
  readonly versions?: ReadonlyArray<number>;
  /** The certificates that it shows. @default those that it should */
  readonly certs?: (identity: HostileIdentity) => ReadonlyArray<CellCert> | Promise<ReadonlyArray<CellCert>>;
  /** What it does once VERSIONS has come, instead of a handshake. */
  readonly onVersions?: (peer: LinkPeer, identity: HostileIdentity) => void;
}

/** A circuit that a relay has asked the hostile relay for. */
export interface AskedCircuit {
  readonly peer: LinkPeer;
  readonly circId: number;
  /** The body of the CREATE2. */
  readonly body: Buffer;
}

/** A relay of real TLS and real certificates, which is extended to, and does then as it is told. */
export class HostileRelay implements AsyncDisposable {
  readonly target: Target;
  /** Channels that were opened to it, finished or not. */
  readonly channels: Array<LinkPeer> = [];
  private readonly server: tls.Server;

  private constructor(server: tls.Server, target: Target) {
    this.server = server;
    this.target = target;
  }

  /** Listens on a port of this host. */
  static async start(port: number, options: HostileRelayOptions = {}): Promise<HostileRelay> {
    const identity = await makeIdentity();
    const { keyPem, certificatePem } = identity.link.tls;
    const server = tls.createServer({ key: keyPem, cert: certificatePem, minVersion: "TLSv1.2" });
    const relay = new HostileRelay(server, {
      name: "hostile",
      port,
      rsaId: identity.link.peer.rsaId,
      ed25519Id: identity.link.peer.ed25519Id,
      onionKey: X25519KeyPair.fromSecret(randomBytes(32)).publicKey,
    });
    server.on("tlsClientError", () => {});
    server.on("secureConnection", (socket) => {
      const peer = new LinkPeer(socket);
      relay.channels.push(peer);
      const answer = async (): Promise<void> => {
        await peer.take(ChannelCommand.VERSIONS);
        peer.send(versionsCell(options.versions ?? [4, 5]));
        if (options.onVersions !== undefined) return options.onVersions(peer, identity);
        peer.send(...responderCells((await options.certs?.(identity)) ?? identity.link.responderCerts));
      };
      // Whoever leaves before VERSIONS is not answered.
      void answer().catch(() => {});
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return relay;
  }

  /** The next circuit that has been asked for, if there is one. */
  takeAsked(): AskedCircuit | undefined {
    for (const peer of this.channels) {
      const index = peer.cells.findIndex(({ command }) => command === ChannelCommand.CREATE2);
      const cell = peer.cells[index];
      if (cell === undefined) continue;
      peer.cells.splice(index, 1);
      return { peer, circId: cell.circId, body: cell.body };
    }
    return undefined;
  }

  /** The next circuit that is asked for. @throws Error if none is */
  async asked(timeoutMs = 20_000): Promise<AskedCircuit> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const asked = this.takeAsked();
      if (asked !== undefined) return asked;
      if (performance.now() > deadline) throw new Error("nobody asked the hostile relay for a circuit");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.channels) peer.destroy();
    this.server.close();
    await once(this.server, "close");
  }
}
