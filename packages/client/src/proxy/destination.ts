import { type Destination, parseIp } from "@allium/cell";
import { shorten } from "@allium/directory";
import { DestinationError } from "./errors.ts";
import { MAX_HOST_NAME_BYTES } from "./limits.ts";
import { isOnionAddress } from "./onion.ts";

const MAX_LABEL_BYTES = 63;
const MAX_PORT = 65_535;
const NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/;
const NOT_A_HOST_BYTE = /[^a-z0-9_.-]/;

/** The address that a text stands for, with or without the brackets that some applications put around IPv6. */
const parseLiteral = (text: string) =>
  text.startsWith("[") && text.endsWith("]") ? parseIp(text.slice(1, -1)) : parseIp(text);

/** Refuses labels as `tor` does, and those that DNS cannot carry. */
const checkLabels = (name: string, offset: number): void => {
  let at = offset;
  for (const label of name.split(".")) {
    if (label === "") throw new DestinationError("label", at, "an empty label");
    if (label.length > MAX_LABEL_BYTES)
      throw new DestinationError("label", at + MAX_LABEL_BYTES, `a label of more than ${MAX_LABEL_BYTES} bytes`);
    if (label.startsWith("-") || label.startsWith("_"))
      throw new DestinationError("characters", at, `a label that begins with "${label[0]}"`);
    at += label.length + 1;
  }
};

/**
 * Reads a destination that an application gave as text: an address literal, or a name for the exit to resolve. Names are those that
 * `tor` allows: letters, digits, hyphens and underscores, with or without a dot at the end; they come back in lower case.
 *
 * @param text one character for each byte
 * @param offset where the text begins in what the application sent
 * @throws DestinationError
 */
export const readDestination = (text: string, offset: number): Destination => {
  if (text === "") throw new DestinationError("empty", offset, "no destination");
  const ip = parseLiteral(text);
  if (ip !== undefined) return ip;
  const address = text.toLowerCase();
  const name = address.endsWith(".") ? address.slice(0, -1) : address;
  if (name.length > MAX_HOST_NAME_BYTES)
    throw new DestinationError(
      "long",
      offset + MAX_HOST_NAME_BYTES,
      `a name of more than ${MAX_HOST_NAME_BYTES} bytes`,
    );
  const wrong = name.search(NOT_A_HOST_BYTE);
  if (wrong >= 0) throw new DestinationError("characters", offset + wrong, `"${shorten(text)}" is no host name`);
  checkLabels(name, offset);
  const last = name.slice(name.lastIndexOf(".") + 1);
  const lastAt = offset + name.length - last.length;
  if (last === "exit") throw new DestinationError("exit", lastAt, "the .exit notation is not supported");
  if (last === "onion") {
    if (!isOnionAddress(name))
      throw new DestinationError("onion-address", offset, "no onion service can have this name");
    throw new DestinationError("onion", lastAt, "onion services are not supported");
  }
  if (NUMBER.test(last))
    throw new DestinationError("numeric", lastAt, `"${shorten(text)}" ends in a number, but is no address`);
  return { family: "name", address };
};

/**
 * A port that a stream may go to.
 *
 * @throws DestinationError
 */
export const checkPort = (port: number, offset: number): number => {
  if (!(Number.isInteger(port) && port >= 1 && port <= MAX_PORT))
    throw new DestinationError("port", offset, "the port is not a number from 1 to 65535");
  return port;
};
