import { createHash, X509Certificate } from "node:crypto";
import { Effect, type Scope } from "effect";
import { AddressLimit } from "./address-limit.ts";
import type { ChannelError } from "./channel-manager.ts";
import { ChannelLimit } from "./errors.ts";
import type { LinkIdentity } from "./link-identity.ts";
import type { LocalParty } from "./open-channel.ts";
import {
  type Connection,
  type Endpoint,
  formatEndpoint,
  type Listener,
  type Transport,
  TransportError,
} from "./transport.ts";

/** What accepting channels takes. */
export interface AcceptorOptions {
  readonly transport: Transport["Service"];
  readonly local: () => LocalParty;
  readonly maxPerAddress: number;
  readonly maxConnections: number | undefined;
  readonly admit: ((address: string) => (() => void) | undefined) | undefined;
  /**
   * Runs the channel, and calls `settled` when it has authenticated as a relay or has ended: until then it counts for its
   * address. It must not block.
   */
  readonly serve: (connection: Connection, identity: LinkIdentity, settled: () => void) => void;
  readonly onRefused: (remote: Endpoint, error: ChannelError) => void;
}

/** Accepts incoming channels: limits them by address from their first packet on, and finds out as whom they reached us. */
export class ChannelAcceptor {
  private readonly options: AcceptorOptions;
  private readonly perAddress: AddressLimit;
  /** What is to be called when those settle whose TLS handshake is under way, by their far end. */
  private readonly admitted = new Map<string, () => void>();
  private closed = false;
  private current: LinkIdentity | undefined;
  private previous: LinkIdentity | undefined;

  constructor(options: AcceptorOptions) {
    this.options = options;
    this.perAddress = new AddressLimit(options.maxPerAddress);
  }

  /** Admits nobody any more. */
  close(): void {
    this.closed = true;
  }

  /** Listens until the scope closes. */
  listen(endpoint: Endpoint): Effect.Effect<Listener, TransportError, Scope.Scope> {
    return Effect.suspend(() => {
      const { transport, maxConnections, onRefused } = this.options;
      const { identity } = this.options.local();
      if (identity === undefined) return Effect.die(new Error("a client does not listen for channels"));
      this.learn(identity);
      let listener: Listener | undefined;
      return transport
        .listen(endpoint, {
          tls: identity.tls,
          ...(maxConnections === undefined ? {} : { maxConnections }),
          admit: (remote) => {
            const refusal = this.admit(remote);
            if (refusal !== undefined) onRefused(remote, refusal);
            return refusal === undefined;
          },
          onFailed: (remote, why) => {
            this.take(remote)();
            onRefused(
              remote,
              why === "crowded"
                ? new ChannelLimit({ limit: "tlsHandshakes" })
                : new TransportError({ kind: "tls", code: "HANDSHAKE_FAILED", endpoint: remote }),
            );
          },
          onConnection: (connection) => {
            const now = this.options.local().identity;
            if (now !== undefined && this.learn(now)) listener?.setIdentity(now.tls);
            this.onConnection(connection);
          },
        })
        .pipe(
          Effect.tap((made) =>
            Effect.sync(() => {
              listener = made;
            }),
          ),
        );
    });
  }

  /** Counts a connection for its address. Says why not, if it may not be. */
  private admit(remote: Endpoint): ChannelLimit | undefined {
    const { host } = remote;
    if (this.closed || !this.perAddress.enter(host)) return new ChannelLimit({ limit: "channelsPerAddress" });
    const leave = this.options.admit === undefined ? NOTHING : this.options.admit(host);
    if (leave === undefined) {
      this.perAddress.leave(host);
      return new ChannelLimit({ limit: "notAdmitted" });
    }
    this.admitted.set(formatEndpoint(remote), () => {
      this.perAddress.leave(host);
      leave();
    });
    return undefined;
  }

  /** What is to be called when the connection from there settles. */
  private take(remote: Endpoint): () => void {
    const key = formatEndpoint(remote);
    const leave = this.admitted.get(key) ?? NOTHING;
    this.admitted.delete(key);
    return leave;
  }

  private onConnection(connection: Connection): void {
    const identity = this.options.local().identity === undefined ? undefined : this.identityOf(connection);
    const leave = this.take(connection.remote);
    // Once, by whoever is first.
    let counted = true;
    const settled = () => {
      if (counted) leave();
      counted = false;
    };
    if (identity === undefined || this.closed) {
      settled();
      connection.destroy();
    } else {
      this.options.serve(connection, identity, settled);
    }
  }

  /** Remembers an identity. True if it is not the one that was known. */
  private learn(identity: LinkIdentity): boolean {
    if (identity === this.current) return false;
    this.previous = this.current;
    this.current = identity;
    return true;
  }

  /**
   * The identity whose certificate TLS presented: CERTS must go with it, also when the certificates were renewed between
   * the two.
   */
  private identityOf(connection: Connection): LinkIdentity | undefined {
    const presented = connection.tls?.ownCertificateDigest;
    const { current, previous } = this;
    if (presented !== undefined && previous !== undefined && presented.equals(tlsDigest(previous))) return previous;
    return current;
  }
}

const NOTHING = () => {};

const digests = new WeakMap<LinkIdentity, Buffer>();

/** SHA-256 of an identity's TLS certificate. */
const tlsDigest = (identity: LinkIdentity): Buffer => {
  let digest = digests.get(identity);
  if (digest === undefined) {
    digest = createHash("sha256").update(new X509Certificate(identity.tls.certificatePem).raw).digest();
    digests.set(identity, digest);
  }
  return digest;
};
