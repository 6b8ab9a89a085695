import type { Fingerprint } from "@allium/netdoc";
import { type DirectoryTiming, publicTiming, testTiming } from "./timing.ts";

/** Which network it is, and where what is known of it is kept. */
export interface NetworkConfig {
  /** Whom to trust: the identities under which the authorities sign. Not empty. Who is asked, `DirectorySources` knows. */
  readonly trusted: ReadonlyArray<Fingerprint>;
  /** Where documents are kept: the `data_dir`, which must exist. */
  readonly dataDirectory: string;
  /** As tor's `TestingTorNetwork`: short delays. */
  readonly testNetwork: boolean;
  /** Other times than those that go with `testNetwork`. */
  readonly timing?: Partial<DirectoryTiming>;
}

/** The times that go with a configuration. */
export const timingOf = ({ testNetwork, timing }: NetworkConfig): DirectoryTiming => ({
  ...(testNetwork ? testTiming : publicTiming),
  ...timing,
});
