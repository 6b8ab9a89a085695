import { asBuffer } from "../bytes.ts";
import { HandshakeError } from "../errors.ts";
import type { NtorV3Responder } from "./ntor-v3.ts";

/** Types of circuit extension (proposal 324, 346; requests and responses have separate numbers). */
export const CircuitExtensionType = {
  /** In a request: use congestion control. No body. */
  CongestionControlRequest: 1,
  /** In a request, to onion services only: a proof of work. */
  ProofOfWork: 2,
  /** In a request: use these subprotocols. The body is pairs of protocol and version; a relay that lacks one must refuse. */
  SubprotocolRequest: 3,
  /** In a response: congestion control is on. The body is one byte, see {@link congestionControlResponse}. */
  CongestionControlResponse: 2,
} as const;

/** One extension, of a type that may be unknown. */
export interface CircuitExtension {
  /** EXT_FIELD_TYPE, 0 to 255. */
  readonly type: number;
  /** EXT_FIELD, at most 255 bytes. */
  readonly body: Uint8Array;
}

const maxCount = 255;
const maxBody = 255;
const malformed = () => new HandshakeError("ntor-v3", "bad-extensions");

/**
 * Writes the message of an ntor-v3 circuit handshake: a list of extensions (proposal 332, section 6).
 *
 * @throws HandshakeError `bad-extensions` if there are more than 255, or one has a longer body
 */
export const encodeCircuitExtensions = (extensions: ReadonlyArray<CircuitExtension>): Buffer => {
  if (extensions.length > maxCount) throw malformed();
  const parts: Array<Uint8Array> = [Uint8Array.of(extensions.length)];
  for (const { type, body } of extensions) {
    if (body.length > maxBody) throw malformed();
    parts.push(Uint8Array.of(type, body.length), body);
  }
  return Buffer.concat(parts);
};

/**
 * Parses the message of an ntor-v3 circuit handshake. Of several extensions of one type only the first counts, and is kept.
 *
 * @throws HandshakeError `bad-extensions` if it is not exactly one well-formed list
 */
export const parseCircuitExtensions = (message: Uint8Array): ReadonlyArray<CircuitExtension> => {
  const count = message[0];
  if (count === undefined) throw malformed();
  const extensions = new Map<number, CircuitExtension>();
  let at = 1;
  for (let index = 0; index < count; index++) {
    if (at + 2 > message.length) throw malformed();
    const type = message[at]!;
    const end = at + 2 + message[at + 1]!;
    if (end > message.length) throw malformed();
    if (!extensions.has(type)) extensions.set(type, { type, body: asBuffer(message).subarray(at + 2, end) });
    at = end;
  }
  if (at !== message.length) throw malformed();
  return [...extensions.values()];
};

/** A relay's answer to a client's circuit extensions, for `ntorV3Server`: `decide` returns undefined to refuse the circuit. */
export const answerCircuitExtensions =
  (
    decide: (requested: ReadonlyArray<CircuitExtension>) => ReadonlyArray<CircuitExtension> | undefined,
  ): NtorV3Responder =>
  (message) => {
    const answer = decide(parseCircuitExtensions(message));
    return answer === undefined ? undefined : encodeCircuitExtensions(answer);
  };

/** The extension by which a client asks for congestion control (proposal 324, section 10.3). */
export const congestionControlRequest: CircuitExtension = {
  type: CircuitExtensionType.CongestionControlRequest,
  body: Buffer.alloc(0),
};

/**
 * The extension by which a relay grants congestion control.
 *
 * @param sendmeIncrement cells per SENDME, the consensus parameter `cc_sendme_inc`, 1 to 255
 */
export const congestionControlResponse = (sendmeIncrement: number): CircuitExtension => ({
  type: CircuitExtensionType.CongestionControlResponse,
  body: Buffer.from([sendmeIncrement]),
});

/**
 * The cells per SENDME that a relay granted, or undefined if it did not grant congestion control.
 *
 * @throws HandshakeError `bad-extensions` if it granted without saying how many
 */
export const grantedSendmeIncrement = (response: ReadonlyArray<CircuitExtension>): number | undefined => {
  const extension = response.find(({ type }) => type === CircuitExtensionType.CongestionControlResponse);
  if (extension === undefined) return undefined;
  const increment = extension.body[0];
  if (increment === undefined || increment === 0) throw malformed();
  return increment;
};
