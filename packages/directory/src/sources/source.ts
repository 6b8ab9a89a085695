import type { Connection } from "@allium/channel";
import { Context, type Effect } from "effect";
import type { DirectoryFetchError, NoDirectorySource } from "../errors.ts";

/** The kinds of document that directories are asked for. */
export type DirectoryDocument =
  | "consensus"
  | "certificates"
  | "microdescriptors"
  /** Router descriptors and extra-info documents, which only relays want. */
  | "descriptors";

/** What became of one request. Whoever gave the source out judges the directory by it. */
export type DirectoryOutcome =
  /** It sent all that was asked for, and all of it was good. */
  | { readonly _tag: "Answered" }
  /** It sent some of the documents that were asked for, each of them good, and not the others. */
  | { readonly _tag: "Partial"; readonly missing: number; readonly asked: number }
  /** It answered that it does not have it, or has nothing newer. An honest directory may. */
  | { readonly _tag: "NotThere"; readonly error: DirectoryFetchError }
  /**
   * It could not be reached, broke off, or sent what was refused: the error tells. Look at `error.validity` first: documents of
   * another time may be the fault of the clock here.
   */
  | { readonly _tag: "Failed"; readonly error: DirectoryFetchError }
  /** Nobody waited for the answer any more, or there was no time to look at it. It says nothing of the directory. */
  | { readonly _tag: "Abandoned" };

/** A directory, and the way to it. */
export interface DirectorySource {
  /** What logs call it. */
  readonly name: string;
  /** `host:port`, for the `Host` field of requests and the URLs of errors. Two sources of the same address are the same directory. */
  readonly address: string;
  /**
   * Makes a connection for one request: a socket to a DirPort, or a stream of a circuit that ends at the directory. It is the
   * caller's, to destroy too. Interrupting gives the attempt up.
   */
  readonly connect: Effect.Effect<Connection, Error>;
  /**
   * Is told what became of a request: once for each `connect` that was run, as soon as the documents that came were judged. It
   * must not block or throw.
   */
  readonly report: (outcome: DirectoryOutcome) => void;
}

/** What somebody wants a directory for. */
export interface DirectoryWish {
  readonly what: DirectoryDocument;
  /** Directories that shall not be given out this time: they were asked. */
  readonly except: ReadonlyArray<DirectorySource>;
  /**
   * Whether those that would rather be spared may be given out too, as the authorities of a client that has fallback directories:
   * there is no usable consensus, and others did not help (dir-spec 5.1, 5.5).
   */
  readonly urgent: boolean;
}

/** Gives out directories to ask. A relay's are the authorities; a client's are caches, over circuits. */
export class DirectorySources extends Context.Service<
  DirectorySources,
  {
    /** One that is fit for the wish; drawn anew each time. It may wait, but not for long. */
    readonly draw: (wish: DirectoryWish) => Effect.Effect<DirectorySource, NoDirectorySource>;
  }
>()("allium/directory/DirectorySources") {}
