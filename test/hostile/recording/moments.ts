import { certsCell } from "../handshake.ts";
import { type HostileIdentity, randomBytes } from "../identity.ts";
import type { Target } from "../target.ts";
import type { MomentMaker } from "./body.ts";
import { type DirectoryNames, directoryMaker } from "./directory-names.ts";
import { RecordingError } from "./error.ts";

/** What is made anew must be made of. */
export interface MomentSources {
  /** Who speaks: the peer, or the next relay. */
  readonly identity: HostileIdentity;
  /** Where recorded streams lead, by their names. */
  readonly ports: Readonly<Record<string, number>>;
  readonly names: DirectoryNames;
  /** To whom circuits are extended. */
  readonly next: Target;
}

/** A variable-length cell's body begins behind circuit ID, command and length. */
const VARIABLE_HEADER = 7;

/** Certificates of RSA keys that the RSA identity has signed: of the TLS key, and of the authentication of long ago. */
const RSA_CERTS = [1, 3];

const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");

const certs = (identity: HostileIdentity, types: ReadonlyArray<string>): Buffer => {
  const { initiatorCerts, responderCerts, tls } = identity.link;
  const signed = derOf(tls.certificatePem);
  const all = [...initiatorCerts, ...responderCerts, ...RSA_CERTS.map((type) => ({ type, body: signed }))];
  const chosen = types.map((type) => {
    const found = all.find((cert) => cert.type === Number(type));
    if (found === undefined) throw new RecordingError(`{certs ${types.join(" ")}}`, "no such certificate");
    return found;
  });
  return certsCell(chosen).subarray(VARIABLE_HEADER);
};

const nextPart = (next: Target, part: string): Buffer => {
  switch (part) {
    case "address":
      return Buffer.of(127, 0, 0, 1, next.port >>> 8, next.port & 0xff);
    case "rsa":
      return next.rsaId;
    case "ed25519":
      return next.ed25519Id;
    default:
      throw new RecordingError(`{next ${part}}`, "it has none");
  }
};

/** Makes what depends on nothing that was said before. @throws RecordingError for what nobody knows */
export const momentMaker = ({ identity, ports, names, next }: MomentSources): MomentMaker => {
  const directory = directoryMaker(names);
  return (name, args) => {
    const [first = ""] = args;
    switch (name) {
      case "random":
        return randomBytes(Number(first));
      case "time": {
        const seconds = Buffer.alloc(4);
        seconds.writeUInt32BE(Math.floor(Date.now() / 1_000));
        return seconds;
      }
      case "port": {
        const port = ports[first];
        if (port === undefined) throw new RecordingError(`{port ${first}}`, "no such service");
        return Buffer.from(`:${port}`, "latin1");
      }
      case "certs":
        return certs(identity, args);
      case "next":
        return nextPart(next, first);
      default:
        return directory(name, args);
    }
  };
};
