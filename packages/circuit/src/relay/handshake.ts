import {
  ChannelCommand,
  type Create2,
  type CreateFast,
  encodeChannelBody,
  encodeResponseExtensions,
  HandshakeType,
  readRequestExtensions,
} from "@allium/cell";
import {
  fastRandomLength,
  fastServer,
  type HandshakeServerKeys,
  keyMaterialLength,
  ntorServer,
  ntorV3Server,
  type RelayKeys,
  type ServerHandshake,
  splitKeyMaterial,
  tor1,
  X25519KeyPair,
} from "@allium/crypto";
import { type AgreedParams, agreeAsResponder, type CongestionParams } from "../congestion/index.ts";

/** What a relay answers CREATE with. */
export interface CreateOptions {
  readonly keys: HandshakeServerKeys;
  readonly congestion: CongestionParams;
  readonly random: (length: number) => Buffer;
}

/** A circuit's handshake, answered: the cell to send, and what was agreed. */
export interface Answered {
  readonly command: number;
  readonly payload: Buffer;
  readonly keys: RelayKeys;
  readonly agreed: AgreedParams;
}

/** The client asks for a handshake that this relay does not do. */
export class UnknownHandshake {
  readonly _tag = "UnknownHandshake";
  readonly type: number;

  constructor(type: number) {
    this.type = type;
  }
}

const LENGTH = keyMaterialLength(tor1);

/**
 * Answers CREATE_FAST, ntor and ntor-v3 (tor-spec, "Creating circuits"); the latter may agree on congestion control.
 *
 * @throws HandshakeError, CellError: the request is malformed, or for a key that we do not have
 * @throws UnknownHandshake
 */
export const answerCreate = (message: Create2 | CreateFast, options: CreateOptions): Answered => {
  const { keys, congestion, random } = options;
  if (message._tag === "CREATE_FAST") {
    const answer = fastServer(message.keyMaterial, random(fastRandomLength), LENGTH);
    return {
      command: ChannelCommand.CREATED_FAST,
      payload: answer.reply,
      keys: splitKeyMaterial(answer.material),
      agreed: congestion.fixedWindow,
    };
  }
  const ephemeral = X25519KeyPair.fromSecret(random(32));
  switch (message.handshakeType) {
    case HandshakeType.NTOR:
      return created(ntorServer(keys, message.handshake, ephemeral, LENGTH), congestion.fixedWindow);
    case HandshakeType.NTOR_V3: {
      let agreed: AgreedParams = congestion.fixedWindow;
      const respond = (request: Buffer): Buffer => {
        const extensions = readRequestExtensions(request);
        const agreement = agreeAsResponder(
          congestion,
          extensions.some((extension) => extension._tag === "CC_REQUEST"),
        );
        agreed = agreement.agreed;
        return encodeResponseExtensions(
          agreement.sendmeInc === undefined ? [] : [{ _tag: "CC_RESPONSE", sendmeInc: agreement.sendmeInc }],
        );
      };
      return created(ntorV3Server(keys, message.handshake, ephemeral, respond, LENGTH), () => agreed);
    }
    default:
      throw new UnknownHandshake(message.handshakeType);
  }
};

const created = (answer: ServerHandshake, agreed: AgreedParams | (() => AgreedParams)): Answered => ({
  command: ChannelCommand.CREATED2,
  payload: encodeChannelBody({ _tag: "CREATED2", handshake: answer.reply }),
  keys: splitKeyMaterial(answer.material),
  agreed: typeof agreed === "function" ? agreed() : agreed,
});
