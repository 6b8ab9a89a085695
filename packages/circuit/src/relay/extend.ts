import { ChannelCommand, type Extend2, type LinkSpecifier } from "@allium/cell";
import {
  type ChannelError,
  type ChannelManager,
  type ChannelTarget,
  type CircuitSignals,
  type Endpoint,
  LinkHandshakeError,
} from "@allium/channel";
import { equalBytes } from "@allium/crypto";
import { Effect } from "effect";
import { CircuitProtocolError, ExtendFailed } from "../errors.ts";
import type { FarSide } from "../far-side.ts";

/** What limits where a circuit may be extended to. */
export interface ExtendPolicy {
  /** This relay's identities: a circuit is never extended to the relay that it is at. */
  readonly self: { readonly rsaId: Buffer; readonly ed25519Id: Buffer };
  /** Whether an address may be connected to: not a private one, outside of test networks. */
  readonly addressAllowed: (host: string) => boolean;
}

/** The relay on the near side, if it is one: a circuit is never extended back to where it came from. */
export type PreviousHop = { readonly rsaId: Buffer; readonly ed25519Id: Buffer } | undefined;

const violation = (detail: string): CircuitProtocolError => new CircuitProtocolError({ where: "EXTEND2", detail });

/**
 * The relay that an EXTEND2 names (tor-spec, "EXTEND and EXTENDED cells").
 * @throws CircuitProtocolError if it names none, ourselves, the previous hop, or an address that may not be used
 */
export const extendTarget = (
  specifiers: ReadonlyArray<LinkSpecifier>,
  policy: ExtendPolicy,
  previous: PreviousHop,
): ChannelTarget => {
  let rsaId: Buffer | undefined;
  let ed25519Id: Buffer | undefined;
  const endpoints: Array<Endpoint> = [];
  for (const specifier of specifiers) {
    switch (specifier._tag) {
      case "RSA_ID":
        rsaId ??= specifier.id;
        break;
      case "ED25519_ID":
        // As in `tor`, zeros stand for an identity that the client does not know.
        if (!isZero(specifier.id)) ed25519Id ??= specifier.id;
        break;
      case "TLS_TCP":
        if (
          specifier.port !== 0 &&
          !UNSPECIFIED.has(specifier.address.address) &&
          policy.addressAllowed(specifier.address.address)
        ) {
          endpoints.push({ host: specifier.address.address, port: specifier.port });
        }
        break;
      default:
        break;
    }
  }
  if (rsaId === undefined || isZero(rsaId)) throw violation("no RSA identity");
  if (endpoints.length === 0) throw violation("no address that may be connected to");
  if (equalBytes(rsaId, policy.self.rsaId)) throw violation("to ourselves");
  if (ed25519Id !== undefined && equalBytes(ed25519Id, policy.self.ed25519Id)) throw violation("to ourselves");
  if (previous !== undefined && equalBytes(rsaId, previous.rsaId)) throw violation("back to the previous hop");
  return { rsaId, endpoints, ...(ed25519Id === undefined ? {} : { ed25519Id }) };
};

const isZero = (id: Buffer): boolean => id.every((byte) => byte === 0);

/** Addresses that are none: the platform would connect to this host. */
const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

const failureOf = (error: ChannelError): ExtendFailed => {
  if (error instanceof LinkHandshakeError && error.problem === "wrongIdentity") {
    return new ExtendFailed({ problem: "identity" });
  }
  return new ExtendFailed({ problem: error._tag === "ChannelLimit" ? "limit" : "connect" });
};

/**
 * Extends a circuit: finds a channel to the target, opens a circuit on it and sends CREATE2. The answer goes to egress.
 *
 * @param signals what the far channel wakes: egress by what comes in, ingress by room
 */
export const extend = (
  channels: ChannelManager["Service"],
  far: FarSide,
  message: Extend2,
  target: ChannelTarget,
  signals: CircuitSignals,
): Effect.Effect<void, ExtendFailed> =>
  Effect.flatMap(channels.get(target), (channel) =>
    // Not to be given up in between: nobody else knows of the circuit yet.
    Effect.uninterruptible(
      Effect.map(channel.openCircuit(signals), (circuit) => {
        const payload = Buffer.allocUnsafe(4 + message.handshake.length);
        payload.writeUInt16BE(message.handshakeType, 0);
        payload.writeUInt16BE(message.handshake.length, 2);
        message.handshake.copy(payload, 4);
        far.cancel = undefined;
        far.circuit = circuit;
        far.state = "waiting";
        circuit.sendCell(ChannelCommand.CREATE2, payload);
      }),
    ),
  ).pipe(Effect.mapError(failureOf));
