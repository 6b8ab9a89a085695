import {
  ChannelCommand,
  encodeChannelBody,
  encodeRequestExtensions,
  HandshakeType,
  type LinkSpecifier,
  parseIp,
  type ResponseExtension,
  readResponseExtensions,
} from "@allium/cell";
import type { Endpoint } from "@allium/channel";
import {
  fastClientEnd,
  fastRandomLength,
  type HandshakeTarget,
  keyMaterialLength,
  ntorClientBegin,
  ntorClientEnd,
  ntorV3ClientBegin,
  ntorV3ClientEnd,
  type RelayKeys,
  splitKeyMaterial,
  tor1,
  X25519KeyPair,
} from "@allium/crypto";
import {
  type AgreedParams,
  agreeAsInitiator,
  type CongestionParams,
  requestsCongestionControl,
} from "../congestion/index.ts";
import type { HopFlow } from "../hop.ts";

/** A relay that a client makes a hop of a circuit. */
export interface HopTarget {
  /** The digest of its RSA identity, 20 bytes. */
  readonly rsaId: Buffer;
  /** Its Ed25519 identity. Unknown of a directory of which no more is known than what a program came with. */
  readonly ed25519Id: Buffer | undefined;
  /** Where it listens for channels, in order of preference. */
  readonly endpoints: ReadonlyArray<Endpoint>;
  /** Its public ntor key. Without it, it can only be the first hop, by CREATE_FAST. */
  readonly onionKey: Buffer | undefined;
  /** Whether it is asked for congestion control, by ntor-v3: it must offer `FlowCtrl=2`, and its identity be known. @default false */
  readonly congestionControl?: boolean;
}

/** A client's half of the handshake that makes a relay a hop of its circuit. */
export interface HopHandshake<Type extends number | undefined = number | undefined> {
  /** `HandshakeType` for CREATE2 and EXTEND2; `undefined` for CREATE_FAST. */
  readonly type: Type;
  readonly request: Buffer;
  /** Takes the relay's half. @throws HandshakeError, CellError */
  readonly finish: (reply: Buffer) => AgreedHop;
}

/** What a client has agreed on with a hop. */
export interface AgreedHop {
  /** Keys for tor1, to be split. */
  readonly material: Buffer;
  /** Cells for each SENDME, if the relay has granted congestion control. */
  readonly sendmeInc: number | undefined;
  /** What the relay has granted; by ntor nothing. */
  readonly extensions: ReadonlyArray<ResponseExtension>;
}

const LENGTH = keyMaterialLength(tor1);

/** Begins a handshake by CREATE_FAST (tor-spec, "CREATE_FAST/CREATED_FAST cells"). `random` is 20 bytes. */
export const beginFast = (random: Buffer): HopHandshake<undefined> => ({
  type: undefined,
  request: random,
  finish: (reply) => ({ material: fastClientEnd(random, reply, LENGTH), sendmeInc: undefined, extensions: [] }),
});

/** Begins a handshake by ntor. `secret` is 32 random bytes. */
export const beginNtor = (target: Omit<HandshakeTarget, "ed25519Identity">, secret: Buffer): HopHandshake<number> => {
  const { request, state } = ntorClientBegin(target, X25519KeyPair.fromSecret(secret));
  return {
    type: HandshakeType.NTOR,
    request,
    finish: (reply) => ({ material: ntorClientEnd(state, reply, LENGTH), sendmeInc: undefined, extensions: [] }),
  };
};

/** Begins a handshake by ntor-v3, with an encrypted message to the relay: its extensions. `secret` is 32 random bytes. */
export const beginNtorV3 = (target: HandshakeTarget, secret: Buffer, message: Buffer): HopHandshake<number> => {
  const { request, state } = ntorV3ClientBegin(target, X25519KeyPair.fromSecret(secret), message);
  return {
    type: HandshakeType.NTOR_V3,
    request,
    finish: (reply) => {
      const answer = ntorV3ClientEnd(state, reply, LENGTH);
      const extensions = readResponseExtensions(answer.message);
      const granted = extensions.find((extension) => extension._tag === "CC_RESPONSE");
      return { material: answer.material, sendmeInc: granted?.sendmeInc, extensions };
    },
  };
};

/**
 * Begins the handshake that a relay is to be asked for: by ntor-v3 if congestion control is wanted and offered, by ntor if
 * not, and by CREATE_FAST if its onion key is not known.
 *
 * @param congestion whether it is wanted, as the consensus has it
 */
export const beginHop = (
  target: HopTarget,
  congestion: CongestionParams,
  random: (length: number) => Buffer,
): HopHandshake => {
  const { rsaId: rsaIdentity, ed25519Id: ed25519Identity, onionKey } = target;
  if (onionKey === undefined) return beginFast(random(fastRandomLength));
  return ed25519Identity !== undefined && target.congestionControl === true && requestsCongestionControl(congestion)
    ? beginNtorV3({ rsaIdentity, ed25519Identity, onionKey }, random(32), CC_REQUEST)
    : beginNtor({ rsaIdentity, onionKey }, random(32));
};

/** What asks for congestion control. */
const CC_REQUEST = encodeRequestExtensions([{ _tag: "CC_REQUEST" }]);

/** How all hops of a client agree on flow control. */
export interface HopHome {
  readonly congestion: () => CongestionParams;
  readonly flow: (agreed: AgreedParams) => HopFlow;
}

/** A relay that has become a hop. */
export interface JoinedHop extends Pick<AgreedHop, "extensions"> {
  readonly target: HopTarget;
  readonly keys: RelayKeys;
  readonly flow: HopFlow;
}

/**
 * What a hop is to its circuit, from its half of the handshake.
 *
 * @throws CongestionError if it has granted what may not be granted; HandshakeError, CellError
 */
export const joinHop = (home: HopHome, target: HopTarget, handshake: HopHandshake, reply: Buffer): JoinedHop => {
  const congestion = home.congestion();
  const { material, sendmeInc, extensions } = handshake.finish(reply);
  const agreed = agreeAsInitiator(congestion, requestsCongestionControl(congestion), sendmeInc);
  return { target, keys: splitKeyMaterial(material), flow: home.flow(agreed), extensions };
};

/** Those that were made already: a client extends to the same relays again and again. */
const knownSpecifiers = new WeakMap<HopTarget, ReadonlyArray<LinkSpecifier>>();

/** How an EXTEND2 names a relay: the first address of each family, and both identities (tor-spec, "EXTEND and EXTENDED cells"). */
export const specifiersOf = (target: HopTarget): ReadonlyArray<LinkSpecifier> => {
  let specifiers = knownSpecifiers.get(target);
  if (specifiers === undefined) {
    specifiers = makeSpecifiers(target);
    knownSpecifiers.set(target, specifiers);
  }
  return specifiers;
};

const makeSpecifiers = ({ rsaId, ed25519Id, endpoints }: HopTarget): ReadonlyArray<LinkSpecifier> => {
  const addresses: Array<LinkSpecifier> = [];
  const families = new Set<number>();
  for (const { host, port } of endpoints) {
    const address = parseIp(host);
    if (address === undefined || families.has(address.family)) continue;
    families.add(address.family);
    addresses.push({ _tag: "TLS_TCP", address, port });
  }
  // In the order in which `tor` has them.
  addresses.sort((one, other) => familyOf(one) - familyOf(other));
  const [first, ...rest] = addresses;
  const identities: ReadonlyArray<LinkSpecifier> = [
    { _tag: "RSA_ID", id: rsaId },
    ...(ed25519Id === undefined ? [] : [{ _tag: "ED25519_ID", id: ed25519Id } as const]),
  ];
  return first === undefined ? identities : [first, ...identities, ...rest];
};

const familyOf = (specifier: LinkSpecifier): number => (specifier._tag === "TLS_TCP" ? specifier.address.family : 0);

/** The cell that asks the first relay for a circuit. */
export const createCell = ({ type, request }: HopHandshake): { readonly command: number; readonly payload: Buffer } =>
  type === undefined
    ? { command: ChannelCommand.CREATE_FAST, payload: request }
    : {
        command: ChannelCommand.CREATE2,
        payload: encodeChannelBody({ _tag: "CREATE2", handshakeType: type, handshake: request }),
      };
