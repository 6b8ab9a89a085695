import { Entropy, LINK_IDENTITY_RANDOM_BYTES, type LinkIdentity, makeLinkIdentity } from "@allium/channel";
import { Clock, Effect } from "effect";
import { KeyStore, linkIdentityKeys } from "./keys/index.ts";

/** The link certificates in use: renewed while the relay runs, so asked for at each handshake. */
export interface CurrentLinkIdentity {
  readonly current: () => LinkIdentity;
  /** Makes new certificates from the keys as they are now. */
  readonly renew: Effect.Effect<LinkIdentity>;
}

/** Makes the first link certificates. */
export const makeCurrentLinkIdentity: Effect.Effect<CurrentLinkIdentity, never, KeyStore | Entropy> = Effect.gen(
  function* () {
    const store = yield* KeyStore;
    const { bytes } = yield* Entropy;
    const clock = yield* Clock.Clock;
    const make = () =>
      makeLinkIdentity(
        linkIdentityKeys(store.current()),
        clock.currentTimeMillisUnsafe(),
        bytes(LINK_IDENTITY_RANDOM_BYTES),
      );
    let identity = make();
    return {
      current: () => identity,
      renew: Effect.sync(() => {
        identity = make();
        return identity;
      }),
    };
  },
);
