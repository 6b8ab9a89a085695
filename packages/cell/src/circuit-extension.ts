import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** EXT_FIELD_TYPE of what a client asks for in the encrypted part of ntor-v3. Proposals 324 (10.3) and 346. */
export const RequestExtensionType = { CC_REQUEST: 1, SUBPROTOCOL_REQUEST: 3 } as const;

/** EXT_FIELD_TYPE of what a relay answers in the encrypted part of ntor-v3. Proposal 324, 10.3. */
export const ResponseExtensionType = { CC_RESPONSE: 2 } as const;

/** A subprotocol version that a client wants used on the circuit, both as numbers of one byte. Proposal 346. */
export interface SubprotocolVersion {
  readonly protocol: number;
  readonly version: number;
}

/** An extension of a type that is not defined in its direction: to be ignored. */
export interface UnknownExtension {
  readonly _tag: "UNKNOWN";
  readonly type: number;
  readonly body: Buffer;
}

/** What a client asks for. */
export type RequestExtension =
  | { readonly _tag: "CC_REQUEST" }
  | { readonly _tag: "SUBPROTOCOL_REQUEST"; readonly protocols: ReadonlyArray<SubprotocolVersion> }
  | UnknownExtension;

/** What a relay answers. `sendmeInc` is after how many cells a SENDME goes out: consensus parameter cc_sendme_inc. */
export type ResponseExtension = { readonly _tag: "CC_RESPONSE"; readonly sendmeInc: number } | UnknownExtension;

const REQUEST = "circuit request extensions";
const RESPONSE = "circuit response extensions";

/**
 * Reads N_EXTENSIONS, then type, length and body of each; of several of one type only the first counts. What follows the last
 * is not looked at, as by `tor`.
 */
const readList = <Extension>(
  subject: string,
  bytes: Buffer,
  readBody: (type: number, body: ByteReader) => Extension,
): ReadonlyArray<Extension> => {
  const reader = new ByteReader(subject, bytes, 0, bytes.length);
  const count = reader.u8("N_EXTENSIONS");
  const extensions: Array<Extension> = [];
  const seen = new Set<number>();
  for (let index = 0; index < count; index++) {
    const type = reader.u8("EXT_FIELD_TYPE");
    const body = reader.take(reader.u8("EXT_FIELD_LEN"), "EXT_FIELD");
    if (!seen.has(type)) extensions.push(readBody(type, new ByteReader(subject, body, 0, body.length)));
    seen.add(type);
  }
  return extensions;
};

/** Writes a list, in ascending order of type. */
const writeList = (subject: string, fields: ReadonlyArray<{ type: number; body: Uint8Array }>): Buffer => {
  const out = new ByteWriter(subject);
  out.u8(fields.length, "N_EXTENSIONS");
  let last = -1;
  for (const { type, body } of [...fields].sort((one, other) => one.type - other.type)) {
    if (type === last) out.fail(`second extension of type ${type}`);
    out.u8(type, "EXT_FIELD_TYPE").u8(body.length, "EXT_FIELD_LEN").raw(body);
    last = type;
  }
  return out.finish();
};

/** One number that orders subprotocol versions as the list must be ordered. */
const orderOf = ({ protocol, version }: SubprotocolVersion): number => protocol * 256 + version;

const readProtocols = (body: ByteReader): ReadonlyArray<SubprotocolVersion> => {
  const protocols: Array<SubprotocolVersion> = [];
  let last = -1;
  while (body.remaining > 0) {
    const entry = { protocol: body.u8("protocol"), version: body.u8("version") };
    if (orderOf(entry) <= last) body.fail("value", "subprotocol versions are not in ascending order", 2);
    last = orderOf(entry);
    protocols.push(entry);
  }
  return protocols;
};

/**
 * Reads the extensions that a client sent with ntor-v3.
 *
 * @throws CellError if the list is malformed
 */
export const readRequestExtensions = (bytes: Buffer): ReadonlyArray<RequestExtension> =>
  readList<RequestExtension>(REQUEST, bytes, (type, body) => {
    switch (type) {
      case RequestExtensionType.CC_REQUEST:
        return { _tag: "CC_REQUEST" };
      case RequestExtensionType.SUBPROTOCOL_REQUEST:
        return { _tag: "SUBPROTOCOL_REQUEST", protocols: readProtocols(body) };
      default:
        return { _tag: "UNKNOWN", type, body: body.rest() };
    }
  });

/** The type and body of what a client asks for. */
const requestField = (extension: RequestExtension): { readonly type: number; readonly body: Buffer } => {
  switch (extension._tag) {
    case "CC_REQUEST":
      return { type: RequestExtensionType.CC_REQUEST, body: Buffer.alloc(0) };
    case "SUBPROTOCOL_REQUEST": {
      const out = new ByteWriter(REQUEST);
      for (const entry of [...extension.protocols].sort((one, other) => orderOf(one) - orderOf(other))) {
        out.u8(entry.protocol, "protocol").u8(entry.version, "version");
      }
      return { type: RequestExtensionType.SUBPROTOCOL_REQUEST, body: out.finish() };
    }
    case "UNKNOWN":
      return extension;
  }
};

/**
 * Writes the extensions that a client sends with ntor-v3; subprotocol versions are put in order.
 *
 * @throws CellEncodeError if there are two of a type, or one does not fit
 */
export const encodeRequestExtensions = (extensions: ReadonlyArray<RequestExtension>): Buffer =>
  writeList(REQUEST, extensions.map(requestField));

/**
 * Reads the extensions that a relay answered in ntor-v3.
 *
 * @throws CellError if the list is malformed
 */
export const readResponseExtensions = (bytes: Buffer): ReadonlyArray<ResponseExtension> =>
  readList<ResponseExtension>(RESPONSE, bytes, (type, body) =>
    type === ResponseExtensionType.CC_RESPONSE
      ? { _tag: "CC_RESPONSE", sendmeInc: body.u8("sendme_inc") }
      : { _tag: "UNKNOWN", type, body: body.rest() },
  );

/**
 * Writes the extensions that a relay answers in ntor-v3.
 *
 * @throws CellEncodeError if there are two of a type, or one does not fit
 */
export const encodeResponseExtensions = (extensions: ReadonlyArray<ResponseExtension>): Buffer =>
  writeList(
    RESPONSE,
    extensions.map((extension) =>
      extension._tag === "CC_RESPONSE"
        ? {
            type: ResponseExtensionType.CC_RESPONSE,
            body: new ByteWriter(RESPONSE).u8(extension.sendmeInc, "sendme_inc").finish(),
          }
        : extension,
    ),
  );
