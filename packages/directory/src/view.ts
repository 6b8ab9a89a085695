import {
  type AuthorityCertificate,
  type Consensus,
  type Fingerprint,
  type Microdescriptor,
  NetParams,
} from "@allium/netdoc";
import { Context, type Stream } from "effect";

/** A consensus whose signatures were checked, with what it takes to hand it on. */
export interface HeldConsensus {
  readonly consensus: Consensus;
  /** The document as it came. */
  readonly text: Buffer;
  /** The authorities whose signatures it bears: those that a client may ask for by name. */
  readonly signers: ReadonlyArray<Fingerprint>;
}

/** What is known of the network at one moment. It never changes: news makes a new one. */
export interface DirectorySnapshot {
  /** The newest consensus that was verified; undefined until there was one. Ask it whether it is still usable. */
  readonly consensus: Consensus | undefined;
  /** The same, with its text. */
  readonly held: HeldConsensus | undefined;
  /** The consensus's parameters; none set while there is no consensus. */
  readonly params: NetParams;
  /** By digest, as `RouterStatus.descriptorDigest` has it. Holds some that only an earlier consensus lists. */
  readonly microdescriptors: ReadonlyMap<string, Microdescriptor>;
  /**
   * Certificates of trusted authorities, more than one for an authority that changes its signing key; and those of others who
   * have signed the consensus, for clients that trust them.
   */
  readonly certificates: ReadonlyArray<AuthorityCertificate>;
  /** How many microdescriptors of the consensus are not there yet. */
  readonly missingMicrodescriptors: number;
}

/** What is known before anything was fetched. */
export const emptySnapshot: DirectorySnapshot = {
  consensus: undefined,
  held: undefined,
  params: NetParams.none,
  microdescriptors: new Map(),
  certificates: [],
  missingMicrodescriptors: 0,
};

/**
 * What is known of the network, for everybody to read. Nobody asks the directory reactor for data: it keeps this up to date,
 * and each change is seen as a whole or not at all.
 */
export class DirectoryView extends Context.Service<
  DirectoryView,
  {
    /** What is known now. Cheap; may be called anywhere. */
    readonly current: () => DirectorySnapshot;
    /** What is known now, and each change from here on. A slow reader may miss none, so readers must keep up. */
    readonly changes: Stream.Stream<DirectorySnapshot>;
  }
>()("allium/directory/DirectoryView") {}
