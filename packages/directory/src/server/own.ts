import { parseSignedExtraInfos, parseSignedRouters, type SignedExtraInfo, type SignedRouter } from "@allium/netdoc";
import type { OwnDocuments } from "../publish/descriptor-source.ts";

/** The relay's own documents, as they are served. */
export interface OwnEntries {
  readonly descriptor: Buffer;
  readonly extraInfo: Buffer;
  /** The descriptor by its names. */
  readonly router: SignedRouter | undefined;
  readonly signedExtraInfo: SignedExtraInfo | undefined;
}

/** Reads own documents once for each publication. */
export class OwnReader {
  #documents: OwnDocuments | undefined;
  #entries: OwnEntries | undefined;

  /** The documents as entries; undefined if nothing was published. */
  read(documents: OwnDocuments | undefined): OwnEntries | undefined {
    if (documents === this.#documents) return this.#entries;
    this.#documents = documents;
    this.#entries = documents === undefined ? undefined : entriesOf(documents);
    return this.#entries;
  }
}

const entriesOf = (documents: OwnDocuments): OwnEntries => {
  const descriptor = Buffer.from(documents.descriptor);
  const extraInfo = Buffer.from(documents.extraInfo);
  return {
    descriptor,
    extraInfo,
    router: parseSignedRouters(descriptor).documents[0],
    signedExtraInfo: parseSignedExtraInfos(extraInfo).documents[0],
  };
};
