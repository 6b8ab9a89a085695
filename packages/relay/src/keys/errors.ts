import type { FaultKind } from "@allium/channel";
import { Data, type PlatformError } from "effect";

/** Which rule of safe keeping is broken; see {@link KeyPermissionsError}. */
export type PermissionProblem =
  /** Group or others may read it, or write into it. */
  | "mode"
  /** It belongs to somebody else. */
  | "owner"
  /** It is a directory where a file should be, or the other way round, or neither. */
  | "kind";

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, "0");

/** A key file, or a directory above it, that others could read or exchange. Nothing was read from it. */
export class KeyPermissionsError extends Data.TaggedError("KeyPermissionsError")<{
  readonly path: string;
  readonly problem: PermissionProblem;
  /** The permission bits found, as `chmod` takes them. */
  readonly mode: number;
  /** The permission bits that it should have. */
  readonly expectedMode: number;
  /** The owner found, as a user number, if the platform has owners. */
  readonly owner: number | undefined;
}> {
  readonly fault: FaultKind = "configuration";
  override get message(): string {
    const { path, problem, mode, expectedMode, owner } = this;
    if (problem === "mode")
      return `${path} has mode ${octal(mode)}, so that other users can get at the keys; do: chmod ${octal(expectedMode)} ${path}`;
    if (problem === "owner") return `${path} belongs to user ${owner}, not to the user that runs the relay`;
    return `${path} is not what should be there: expected a ${expectedMode === 0o700 ? "directory" : "plain file"}`;
  }
}

/** What is wrong with the content of a key file; see {@link KeyFileError}. */
export type KeyFileProblem =
  /** It does not begin as such a file does. */
  | "not-a-key-file"
  /** It is a key file, of another kind of key. */
  | "wrong-kind"
  /** It is too short or too long. */
  | "bad-length"
  /** The key itself cannot be used. */
  | "bad-key"
  /** The certificate cannot be parsed, or is not signed by the identity that it names. */
  | "bad-certificate"
  /** It does not belong to the other key files beside it, or its parts not together. */
  | "mismatch";

/** A key file that is damaged, or from elsewhere. The message never holds what the file holds. */
export class KeyFileError extends Data.TaggedError("KeyFileError")<{
  readonly path: string;
  readonly problem: KeyFileProblem;
  readonly detail: string;
}> {
  readonly fault: FaultKind = "configuration";
  override get message(): string {
    return `${this.path}: ${this.detail} (${this.problem})`;
  }
}

/**
 * The signing key is missing, or its certificate has ended, and the identity that could certify a new one is not here: it is kept
 * offline, or lost.
 */
export class SigningKeyError extends Data.TaggedError("SigningKeyError")<{
  readonly problem: "missing" | "expired";
  /** The file that is missing, or the certificate that has ended. */
  readonly path: string;
  /** Where the secret half of the identity would be. */
  readonly master: string;
  /** Whether it is there, but encrypted. */
  readonly encrypted: boolean;
}> {
  readonly fault: FaultKind = "configuration";
  override get message(): string {
    const { problem, path, master, encrypted } = this;
    return (
      `${path} ${problem === "missing" ? "is missing" : "has expired"}, and a new signing key needs the identity, but ` +
      `${master} is not here${encrypted ? " (only its encrypted form, which `tor --keygen` can use)" : ""}. Where it is, run ` +
      "`allium-relay keygen --new-signing-key`, and copy ed25519_signing_secret_key and ed25519_signing_cert here"
    );
  }
}

/**
 * One of the two identities is there and the other is not. Authorities remember which two belong together, so a new one in
 * the place of the missing one would lock the relay out of the network.
 */
export class IncompleteIdentityError extends Data.TaggedError("IncompleteIdentityError")<{
  readonly missing: string;
  readonly present: string;
}> {
  readonly fault: FaultKind = "configuration";
  override get message(): string {
    return (
      `${this.missing} is missing, but ${this.present} is there: put the missing file back from a backup, ` +
      "or remove the other one too to begin as a new relay"
    );
  }
}

/** There is no key yet, and none was to be made. */
export class KeyMissingError extends Data.TaggedError("KeyMissingError")<{ readonly path: string }> {
  readonly fault: FaultKind = "configuration";
  override get message(): string {
    return `${this.path} does not exist: there are no keys here yet`;
  }
}

/** The platform could not read, write or rename. */
export class KeyStorageError extends Data.TaggedError("KeyStorageError")<{
  readonly path: string;
  readonly cause: PlatformError.PlatformError;
}> {
  readonly fault: FaultKind = "resource";
  override get message(): string {
    return `${this.path}: ${this.cause.message}`;
  }
}

/** Everything that can be wrong with the keys on disk. */
export type KeyStoreError =
  | KeyPermissionsError
  | KeyFileError
  | SigningKeyError
  | IncompleteIdentityError
  | KeyMissingError
  | KeyStorageError;
