import {
  Entropy,
  LINK_IDENTITY_RANDOM_BYTES,
  type LinkIdentity,
  type Listener,
  makeLinkIdentity,
} from "@allium/channel";
import { Clock, Effect } from "effect";
import { KeyStore, type KeyStoreError, linkIdentityKeys } from "./keys/index.ts";

/** The link certificates in use: renewed while the relay runs, so asked for at each handshake. */
export interface CurrentLinkIdentity {
  readonly current: () => LinkIdentity;
  /** Makes new certificates from the keys as they are now. */
  readonly renew: Effect.Effect<LinkIdentity>;
}

/** Link certificates are made anew when this much of their life is over, and when the signing key changes. */
const RENEW_BEFORE_END_MILLIS = 24 * 3_600_000;

/** How often the renewal task looks. */
const LOOK_EVERY = "1 hour";

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

/**
 * The background task that keeps signing key and link certificates from ending (seeds: key and cert tasks).
 *
 * @param onNewSigningKey told when the signing key changed: the descriptor carries its certificate
 */
export const keepCertificates = (
  identity: CurrentLinkIdentity,
  listener: Listener,
  onNewSigningKey: Effect.Effect<void>,
): Effect.Effect<never, KeyStoreError, KeyStore> =>
  Effect.gen(function* () {
    const store = yield* KeyStore;
    for (;;) {
      yield* Effect.sleep(LOOK_EVERY);
      const renewed = yield* store.renewSigningKey;
      const now = yield* Clock.currentTimeMillis;
      if (!renewed && identity.current().expiresAt - now > RENEW_BEFORE_END_MILLIS) continue;
      const { tls } = yield* identity.renew;
      listener.setIdentity(tls);
      yield* Effect.logInfo("link certificates renewed");
      if (renewed) yield* onNewSigningKey;
    }
  });
