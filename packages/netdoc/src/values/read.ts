/** Readers of items that several kinds of document have. All throw `NetdocError` at what they do not accept. */
import { KeyError, type RsaPublicKey, rsaPublicKeyFromDer } from "@allium/crypto";
import { PolicyError } from "../errors.ts";
import { PortPolicy } from "../policy/port-policy.ts";
import { Protocols } from "../protocols.ts";
import type { Item } from "../syntax/item.ts";
import { base64Of } from "./encodings.ts";
import { int32, keyValue } from "./numbers.ts";
import { own } from "./own.ts";
import { parseTime, type UnixMillis } from "./time.ts";

/** The moment that two arguments of an item are, from the one with a number on. */
export const readTime = (item: Item, index = 0): UnixMillis => {
  const date = item.read(index, (text) => text, "a date");
  return item.read(index + 1, (time) => parseTime(date, time), "a date and a time of day");
};

/** The protocols of a line; none, if there is no line. */
export const readProtocols = (item: Item | undefined): Protocols => {
  if (item === undefined) return Protocols.none;
  const protocols = Protocols.parse(item.rest);
  if (protocols === undefined) throw item.argumentError(0, "expected subprotocols and their versions");
  return protocols;
};

/** The summary of a `p`, `p6` or `ipv6-policy` line. */
export const readPortPolicy = (item: Item): PortPolicy => {
  try {
    return PortPolicy.parse(item.words.slice(0, 2).join(" "));
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw item.argumentError(error.problem === "bad-action" ? 0 : 1, "expected a summary of a policy");
  }
};

/**
 * The `key=value` arguments of an item, all of them 32-bit integers in ascending order of their keys (dir-spec 3.4.1, `params`
 * and `bandwidth-weights`).
 */
export const readNumbersByKey = (item: Item): ReadonlyMap<string, number> => {
  const values = new Map<string, number>();
  let previous = "";
  item.words.forEach((word, index) => {
    const pair = keyValue(word);
    if (pair === undefined) throw item.argumentError(index, "expected key=integer");
    const key = own(pair[0]);
    const value = int32(pair[1]);
    if (value === undefined) throw item.argumentError(index, "expected an integer", key.length + 1);
    if (key <= previous) throw item.argumentError(index, "keys are not in ascending order");
    values.set(key, value);
    previous = key;
  });
  return values;
};

/** The arguments of an item, which must be in ascending order without repetition: a relay's flags (dir-spec 3.4.1). */
export const readSortedWords = (item: Item): ReadonlyArray<string> => {
  let previous = "";
  return item.words.map((word, index) => {
    if (word <= previous) throw item.argumentError(index, "flags are not in ascending order");
    previous = word;
    return own(word);
  });
};

/** The label of a public RSA key's object. */
export const rsaKeyLabel = "RSA PUBLIC KEY";

/** A decoder of 32-byte keys in base64: Ed25519 and Curve25519. */
export const key32 = base64Of(32);

/** The RSA public key in an item's object, if it is one that we use. */
export const readRsaKey = (item: Item): RsaPublicKey => {
  const bytes = item.objectBytes();
  try {
    return rsaPublicKeyFromDer(bytes);
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    throw item.objectError(`is no RSA key that is used here: ${error.problem}`);
  }
};
