import { CellDecoder, CellError, parseIp } from "@allium/cell";
import { Signal } from "@allium/kernel";
import { Clock, Effect } from "effect";
import { Entropy } from "./entropy.ts";
import { ChannelLost, ChannelTimeout, LinkHandshakeError } from "./errors.ts";
import {
  type Established,
  type ExpectedPeer,
  type HandshakeOptions,
  initiatorHandshake,
  type LinkHandshake,
  responderHandshake,
} from "./handshake.ts";
import type { LinkIdentity } from "./link-identity.ts";
import { HANDSHAKE_TIMEOUT } from "./timeouts.ts";
import { type Connection, TransportError } from "./transport.ts";

/** A connection whose link handshake is over, with the decoder that may hold the first cells after it. */
export interface OpenedLink {
  readonly connection: Connection;
  readonly decoder: CellDecoder;
  readonly established: Established;
}

/** Why a link handshake failed. */
export type OpenError = LinkHandshakeError | ChannelLost | ChannelTimeout;

/** Runs a link handshake over a connection. The connection stays the caller's, to destroy if this fails. */
const runHandshake = (connection: Connection, handshake: LinkHandshake): Effect.Effect<OpenedLink, OpenError> =>
  Effect.gen(function* () {
    const decoder = new CellDecoder({ maxVariableLength: MAX_HANDSHAKE_CELL_BYTES });
    const changed = Signal.make();
    connection.onChange(() => changed.notify());
    const send = (bytes: Buffer) => {
      if (bytes.length > 0) connection.write(bytes);
    };
    send(handshake.start());
    let received = 0;
    for (;;) {
      const chunk = connection.read();
      if (chunk === undefined) {
        if (connection.status !== "open") return yield* new ChannelLost({ cause: connection.failure });
        yield* changed.wait;
        continue;
      }
      received += chunk.length;
      if (received > MAX_HANDSHAKE_BYTES) {
        return yield* new LinkHandshakeError({
          problem: "malformedCell",
          where: "handshake",
          detail: `more than ${MAX_HANDSHAKE_BYTES} bytes`,
        });
      }
      const established = yield* Effect.try({
        try: () => {
          decoder.push(chunk);
          while (handshake.result() === undefined && decoder.next()) send(handshake.onCell(decoder));
          return handshake.result();
        },
        catch: (cause) => {
          if (cause instanceof LinkHandshakeError) return cause;
          // The connection was lost while what it had brought was worked on.
          if (cause instanceof TransportError) return new ChannelLost({ cause });
          if (cause instanceof CellError) {
            return new LinkHandshakeError({ problem: "malformedCell", where: cause.subject, detail: cause.message });
          }
          throw cause;
        },
      });
      if (established !== undefined) return { connection, decoder, established };
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: HANDSHAKE_TIMEOUT,
      orElse: () => Effect.fail(new ChannelTimeout({ step: "handshake" })),
    }),
  );

const handshakeOptions = Effect.fnUntraced(function* (
  connection: Connection,
  ownAddresses: ReadonlyArray<string>,
): Effect.fn.Return<HandshakeOptions, LinkHandshakeError, Entropy> {
  const { bytes } = yield* Entropy;
  const clock = yield* Clock.Clock;
  const { tls } = connection;
  if (tls === undefined) {
    return yield* new LinkHandshakeError({
      problem: "badCertificate",
      where: "TLS",
      detail: "the connection has none",
    });
  }
  return {
    tls,
    now: () => clock.currentTimeMillisUnsafe(),
    random: bytes,
    peerAddress: parseIp(connection.remote.host) ?? { family: 4, address: "0.0.0.0" },
    ownAddresses: ownAddresses.flatMap((address) => parseIp(address) ?? []),
  };
});

/** What this side is on channels: a relay with an identity, or a client without. */
export interface LocalParty {
  readonly identity: LinkIdentity | undefined;
  /** Addresses that go into NETINFO; a client gives none. */
  readonly addresses: ReadonlyArray<string>;
}

/** The link handshake as the side that connected. */
export const openAsInitiator = (
  connection: Connection,
  local: LocalParty,
  expected: ExpectedPeer,
): Effect.Effect<OpenedLink, OpenError, Entropy> =>
  Effect.flatMap(handshakeOptions(connection, local.addresses), (options) =>
    runHandshake(connection, initiatorHandshake(options, local.identity, expected)),
  );

/** The link handshake as the side that was connected to. */
export const openAsResponder = (
  connection: Connection,
  identity: LinkIdentity,
  addresses: ReadonlyArray<string>,
): Effect.Effect<OpenedLink, OpenError, Entropy> =>
  Effect.flatMap(handshakeOptions(connection, addresses), (options) =>
    runHandshake(connection, responderHandshake(options, identity)),
  );

/** The longest cell of a handshake; CERTS of today's relays take about 2500 bytes. */
const MAX_HANDSHAKE_CELL_BYTES = 16_384;

/** All bytes that a peer may send before its NETINFO. */
const MAX_HANDSHAKE_BYTES = 131_072;
