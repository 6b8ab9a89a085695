import type { MomentMaker } from "./body.ts";
import { RecordingError } from "./error.ts";
import type { MomentText } from "./transcribe.ts";

/** Who and what is named in directory requests, of one network at one moment: in the order of nicknames. */
export interface DirectoryNames {
  /** Identities of authorities, in upper-case hex, and their signing keys. */
  readonly authorities: ReadonlyArray<{ readonly identity: string; readonly signingKey: string }>;
  /** Digests of microdescriptors, in base64 without padding. */
  readonly microdescriptors: ReadonlyArray<string>;
}

const byName = (one: readonly [string, unknown], other: readonly [string, unknown]): number =>
  one[0] < other[0] ? -1 : 1;

/** Reads the names out of a consensus of the microdesc flavour. */
export const directoryNames = (consensus: string): DirectoryNames => {
  const signers = new Map(
    [...consensus.matchAll(/^directory-signature (?:sha256 )?([0-9A-F]{40}) ([0-9A-F]{40})$/gm)].map(
      ([, identity = "", signingKey = ""]) => [identity, signingKey] as const,
    ),
  );
  const authorities = [...consensus.matchAll(/^dir-source (\S+) ([0-9A-F]{40}) /gm)]
    .map(([, nickname = "", identity = ""]) => [nickname, identity] as const)
    .sort(byName);
  const microdescriptors = [...consensus.matchAll(/^r (\S+) .*\n(?:[^rm].*\n)*m (\S+)$/gm)]
    .map(([, nickname = "", digest = ""]) => [nickname, digest] as const)
    .sort(byName);
  return {
    authorities: authorities.map(([, identity]) => ({ identity, signingKey: signers.get(identity) ?? "" })),
    microdescriptors: microdescriptors.map(([, digest]) => digest),
  };
};

/** A request for a consensus names authorities by the beginnings of their identities. */
const PREFIX = 6;

/** What of a directory request is of one moment. */
export const directoryMoments = ({ authorities, microdescriptors }: DirectoryNames): ReadonlyArray<MomentText> => [
  ...microdescriptors.map((text, index) => ({ text, moment: `microdescriptor ${index}` })),
  ...authorities.flatMap(({ identity, signingKey }, index) => [
    { text: identity, moment: `authority ${index}` },
    ...(signingKey === "" ? [] : [{ text: signingKey, moment: `signing-key ${index}` }]),
    { text: identity.slice(0, PREFIX), moment: `authority ${index} ${PREFIX}` },
  ]),
];

/** Makes what {@link directoryMoments} has taken out, with the names of another network. @throws RecordingError if there are too few */
export const directoryMaker =
  ({ authorities, microdescriptors }: DirectoryNames): MomentMaker =>
  (name, [index = "", length]) => {
    const at = Number(index);
    const found =
      name === "microdescriptor"
        ? microdescriptors[at]
        : name === "authority"
          ? authorities[at]?.identity
          : name === "signing-key"
            ? authorities[at]?.signingKey
            : undefined;
    if (found === undefined) throw new RecordingError(`{${name} ${index}}`, "nobody in this network");
    return Buffer.from(length === undefined ? found : found.slice(0, Number(length)), "latin1");
  };
