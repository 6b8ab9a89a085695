import type { ConsensusFlavor, UnixMillis } from "@allium/netdoc";
import type { Encoding } from "../http/encoding.ts";
import type { HttpRequest } from "../http/request.ts";
import type { DescriptorLookup } from "../mirror/descriptor-store.ts";
import type { ServedConsensus } from "../mirror/served-consensus.ts";
import type { DirectorySnapshot } from "../view.ts";
import type { OwnEntries } from "./own.ts";

/** What there is to be served. */
export interface Served {
  readonly snapshot: DirectorySnapshot;
  readonly consensus: (flavor: ConsensusFlavor) => ServedConsensus | undefined;
  readonly descriptors: DescriptorLookup;
  /** The relay's own documents, once it has published any. */
  readonly own: OwnEntries | undefined;
}

/** A request, as the handlers see it. */
export interface Asked {
  readonly request: HttpRequest;
  readonly served: Served;
  readonly now: UnixMillis;
  readonly encoding: Encoding;
  /** What `If-Modified-Since` says; undefined if it says nothing that makes sense. */
  readonly modifiedSince: UnixMillis | undefined;
}

/** Answers a target by what follows the route's prefix. */
export type Handler = (rest: string, asked: Asked) => Answer;

/** An answer without a body. */
export interface Refusal {
  readonly _tag: "Refusal";
  readonly status: number;
  readonly reason: string;
}

/** What a request is answered with, before bodies are packed. */
export type Answer =
  | Refusal
  /** Documents that follow each other. */
  | {
      readonly _tag: "Documents";
      readonly parts: ReadonlyArray<Buffer>;
      readonly encoding: Encoding;
      /** How long others may keep them, in seconds; zero is not at all. */
      readonly lifetime: number;
    }
  /** A consensus, or a diff to it. */
  | {
      readonly _tag: "Consensus";
      readonly consensus: ServedConsensus;
      /** Consensuses from which a diff would do, those that the client named first before the others. */
      readonly diffFrom: ReadonlyArray<string>;
      /** Whether nothing but a diff will do. */
      readonly diffOnly: boolean;
      readonly encoding: Encoding;
      readonly lifetime: number;
    };

/** What a target asks for by name, as in `fp/F+F`: by which kind of name (`fp/`, or all that there is without a slash), and the names in capitals. */
export const namesOf = (rest: string): { readonly kind: string; readonly names: ReadonlySet<string> } => {
  const end = rest.indexOf("/") + 1;
  const names = rest.slice(end).toUpperCase().split("+");
  return { kind: end === 0 ? rest : rest.slice(0, end), names: new Set(names) };
};

/** Makes an answer without a body. */
export const refuse = (status: number, reason: string): Refusal => ({ _tag: "Refusal", status, reason });

/** What is not here. */
export const notFound = (reason = "Not found"): Refusal => refuse(404, reason);

/** What a request gets that is no HTTP. */
export const badRequest: Refusal = refuse(400, "Bad request");

/** What a request gets when there is no room to pack its answer. */
export const busy: Refusal = refuse(503, "Directory busy, try again later");

/** Documents that were found; none is 404. */
export const documents = (parts: ReadonlyArray<Buffer>, { encoding }: Asked, lifetime: number): Answer =>
  parts.length === 0 ? notFound() : { _tag: "Documents", parts, encoding, lifetime };
