import type { Endpoint } from "@allium/channel";
import { type AddressAndPort, addressAndPort, type Fingerprint, fingerprint } from "@allium/netdoc";
import { LineFault, ListError, readIpv6, readLines, readOption, readOrPort } from "./torrc-lines.ts";

/** A directory that a client may ask before it knows any other, as a torrc `FallbackDir` line names it: a relay's OR port. */
export interface FallbackDirectory {
  /** The relay's RSA identity. */
  readonly relayIdentity: Fingerprint;
  /** Its OR port over IPv4. */
  readonly orPort: Endpoint;
  /** Its OR port over IPv6. */
  readonly ipv6: AddressAndPort | undefined;
  /** How likely it is to be asked, beside others. */
  readonly weight: number;
}

/** A list of fallback directories that cannot be used. It tells all that is wrong with it. */
export class FallbackListError extends ListError {
  readonly _tag = "FallbackListError";
  override readonly name = "FallbackListError";
}

/**
 * Reads torrc lines `FallbackDir address[:dirport] orport=port id=fingerprint [weight=num] [ipv6=[address]:orport]` (tor's manual,
 * `FallbackDir`), with or without the word `FallbackDir`. Blank lines and what follows a `#` are skipped.
 *
 * @throws FallbackListError if a line is wrong, or names a relay for a second time
 */
export const parseFallbacks = (text: string): ReadonlyArray<FallbackDirectory> => {
  const { values, problems } = readLines(text, {
    keyword: /^FallbackDir$/i,
    read: readFallback,
    unique: ({ relayIdentity }) => [`id ${relayIdentity}`],
  });
  if (problems.length > 0) throw new FallbackListError(problems);
  return values;
};

const weightShape = /^[0-9]{1,9}(?:\.[0-9]{1,9})?$/;

const readFallback = ([where, ...options]: ReadonlyArray<string>): FallbackDirectory => {
  if (where === undefined) throw new LineFault("expected an IPv4 address, as in 192.0.2.1");
  const host = where.includes(":") ? addressAndPort(where)?.address : addressAndPort(`${where}:1`)?.address;
  if (host === undefined || host.includes(":"))
    throw new LineFault(`"${where}" is not an IPv4 address, as in 192.0.2.1`);
  let port: number | undefined;
  let relayIdentity: Fingerprint | undefined;
  let ipv6: AddressAndPort | undefined;
  let weight = 1;
  for (const option of options) {
    const { name, value } = readOption(option);
    switch (name) {
      case "orport":
        port = readOrPort(value);
        break;
      case "id":
        relayIdentity = fingerprint(value);
        if (relayIdentity === undefined) throw new LineFault(`id "${value}" is not 40 hexadecimal digits`);
        break;
      case "ipv6":
        ipv6 = readIpv6(value);
        break;
      case "weight":
        if (!weightShape.test(value)) throw new LineFault(`weight "${value}" is not a number`);
        weight = Number(value);
        break;
      default:
        throw new LineFault(`"${option}" is none of orport=, id=, ipv6= and weight=`);
    }
  }
  if (port === undefined) throw new LineFault("expected orport=, as in orport=443");
  if (relayIdentity === undefined) throw new LineFault("expected the fingerprint, as id=");
  return { relayIdentity, orPort: { host, port }, ipv6, weight };
};
