import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { ExitNeed } from "../paths/index.ts";

/** What a stream wants of its tunnel. */
export interface TunnelRequest {
  /** What the exit must permit; nothing for a look-up, which any exit does. */
  readonly needs: ReadonlyArray<ExitNeed>;
  /** Streams with different texts are in different tunnels. */
  readonly isolation: string;
  /** Exits that will not do: they have refused it already. */
  readonly avoid: ReadonlySet<Fingerprint>;
  /** Exits that did not answer this stream: others come first. */
  readonly silent: ReadonlySet<Fingerprint>;
  /** Only tunnels that have opened since then will do: several older ones were silent, so what they have in common may be dead. */
  readonly openedSince: UnixMillis;
}
