import type { Endpoint } from "@allium/channel";
import { type AddressAndPort, addressAndPort, type Fingerprint, fingerprint, nickname } from "@allium/netdoc";
import { endpointOf, LineFault, ListError, readIpv6, readLines, readOption, readOrPort } from "./torrc-lines.ts";

/** A directory authority, as a torrc `DirAuthority` line names it. */
export interface Authority {
  /** What logs call it; its address if the line gives no nickname. */
  readonly name: string;
  /** The identity under which it votes and signs: its `v3ident`. */
  readonly v3Identity: Fingerprint;
  /** The RSA identity of the relay that it also is. */
  readonly relayIdentity: Fingerprint;
  /** Where documents are fetched over HTTP: its DirPort, or what `download=` says. */
  readonly download: Endpoint;
  /** Where descriptors are uploaded over HTTP: its DirPort, or what `upload=` says. */
  readonly upload: Endpoint;
  /** Its OR port, at the address of its DirPort; undefined if the line does not tell. */
  readonly orPort: number | undefined;
  /** Its OR port over IPv6. */
  readonly ipv6: AddressAndPort | undefined;
}

/** A list of authorities that cannot be used. It tells all that is wrong with it, not only what comes first. */
export class AuthorityListError extends ListError {
  readonly _tag = "AuthorityListError";
  override readonly name = "AuthorityListError";
}

/**
 * Reads torrc lines `DirAuthority [nickname] [flags] address:port fingerprint` (tor's manual, `DirAuthority`), with or without the
 * word `DirAuthority`. Blank lines and what follows a `#` are skipped, and so are lines of authorities that do not vote on
 * consensuses (those without a `v3ident`, such as bridge authorities).
 *
 * @throws AuthorityListError if a line is wrong, names an authority for a second time, or nothing is left
 */
export const parseAuthorities = (text: string): ReadonlyArray<Authority> => {
  const { values: authorities, problems } = readLines(text, {
    keyword: /^(?:DirAuthority|DirServer)$/i,
    read: readAuthority,
    unique: ({ v3Identity, relayIdentity }) => [`v3ident ${v3Identity}`, `fingerprint ${relayIdentity}`],
  });
  if (problems.length > 0) throw new AuthorityListError(problems);
  if (authorities.length === 0)
    throw new AuthorityListError([{ line: 1, detail: "there is no authority in the list" }]);
  return authorities;
};

/** What the flags of a line say. */
interface Flags {
  orPort?: number;
  v3Identity?: Fingerprint;
  ipv6?: AddressAndPort;
  upload?: Endpoint;
  download?: Endpoint;
}

const readAuthority = (words: ReadonlyArray<string>): Authority | undefined => {
  let at = 0;
  const name = nickname(words[at] ?? "");
  if (name !== undefined) at++;
  const flags: Flags = {};
  // Flags end where the address begins: the only word that may start with a digit.
  for (; at < words.length && !/^[0-9]/.test(words[at] ?? ""); at++) readFlag(words[at] ?? "", flags);
  const where = words[at++];
  if (where === undefined) throw new LineFault("expected an IPv4 address and the DirPort, as in 127.0.0.1:9030");
  const dirPort = addressAndPort(where);
  if (dirPort === undefined || dirPort.port === 0 || dirPort.address.includes(":"))
    throw new LineFault(`"${where}" is not an IPv4 address and a port, as in 127.0.0.1:9030`);
  const digits = words.slice(at).join("");
  const relayIdentity = fingerprint(digits);
  if (relayIdentity === undefined)
    throw new LineFault(
      digits === ""
        ? "expected the fingerprint after the address"
        : `the fingerprint "${digits}" is not 40 hexadecimal digits`,
    );
  if (flags.v3Identity === undefined) return undefined;
  const endpoint = endpointOf(dirPort);
  return {
    name: name ?? where,
    v3Identity: flags.v3Identity,
    relayIdentity,
    download: flags.download ?? endpoint,
    upload: flags.upload ?? endpoint,
    orPort: flags.orPort,
    ipv6: flags.ipv6,
  };
};

const readFlag = (flag: string, flags: Flags): void => {
  const { name, value } = readOption(flag);
  switch (name) {
    case "orport":
      flags.orPort = readOrPort(value);
      break;
    case "v3ident": {
      const identity = fingerprint(value);
      if (identity === undefined) throw new LineFault(`v3ident "${value}" is not 40 hexadecimal digits`);
      flags.v3Identity = identity;
      break;
    }
    case "ipv6":
      flags.ipv6 = readIpv6(value);
      break;
    case "upload":
      flags.upload = readUrl(name, value);
      break;
    case "download":
      flags.download = readUrl(name, value);
      break;
    // Of no concern to a relay or a client, or obsolete, and still in lists that tools write.
    case "vote":
    case "weight":
    case "bridge":
    case "no-v2":
    case "hs":
    case "no-hs":
      break;
    default:
      throw new LineFault(`"${flag}" is neither a flag nor an address and a port`);
  }
};

const readUrl = (name: string, text: string): Endpoint => {
  const match = /^http:\/\/([^/]+)\/?$/.exec(text);
  const where = match?.[1] === undefined ? undefined : addressAndPort(match[1]);
  if (where === undefined || where.port === 0) throw new LineFault(`${name} "${text}" is not http://address:port/`);
  return endpointOf(where);
};
