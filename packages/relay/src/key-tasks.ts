import type { Listener } from "@allium/channel";
import { Clock, Effect } from "effect";
import {
  KeyStore,
  type KeyStoreError,
  SIGNING_KEY_WARNING_MILLIS,
  SIGNING_KEY_WARNING_PERIOD_MILLIS,
} from "./keys/index.ts";
import type { CurrentLinkIdentity } from "./link-identity.ts";
import type { OnionKeyParams } from "./params.ts";

/** Link certificates are made anew this long before their end, and when the signing key changes. */
const RENEW_BEFORE_END_MILLIS = 24 * 3_600_000;

/** How often the tasks of this page look. */
const LOOK_EVERY = "1 hour";

/** What the certificates task works with. */
export interface CertificatesContext {
  readonly identity: CurrentLinkIdentity;
  readonly listener: Pick<Listener, "setIdentity">;
  /** Told when the signing key has changed: the descriptor carries its certificate. */
  readonly onNewSigningKey: Effect.Effect<void>;
}

/**
 * Takes or makes a new signing key if there is need, and new link certificates with it.
 *
 * @returns fails only when the relay cannot go on: the certificate of the signing key has ended
 */
export const renewCertificates = ({
  identity,
  listener,
  onNewSigningKey,
}: CertificatesContext): Effect.Effect<void, KeyStoreError, KeyStore> =>
  Effect.gen(function* () {
    const store = yield* KeyStore;
    const now = yield* Clock.currentTimeMillis;
    const renewed = yield* store.renewSigningKey.pipe(
      Effect.catchIf(
        // Somebody may be copying key files just now; and what is in use still holds.
        () => now < store.current().signing.expiresAt,
        (error) => Effect.as(Effect.logWarning(`the signing key cannot be renewed: ${error.message}`), false),
      ),
    );
    if (!renewed && identity.current().expiresAt - now > RENEW_BEFORE_END_MILLIS) return;
    const { tls } = yield* identity.renew;
    listener.setIdentity(tls);
    yield* Effect.logInfo("link certificates renewed");
    if (renewed) yield* onNewSigningKey;
  });

const days = (millis: number): string => `${Math.floor(millis / 86_400_000)} days`;

/** The background task that keeps signing key and link certificates from ending (seeds: key and cert tasks). */
export const keepCertificates = (context: CertificatesContext): Effect.Effect<never, KeyStoreError, KeyStore> =>
  Effect.gen(function* () {
    const store = yield* KeyStore;
    let warnedAt = Number.NEGATIVE_INFINITY;
    for (;;) {
      const now = yield* Clock.currentTimeMillis;
      const left = store.current().signing.expiresAt - now;
      const isDue = left < SIGNING_KEY_WARNING_MILLIS && now - warnedAt >= SIGNING_KEY_WARNING_PERIOD_MILLIS;
      if (isDue && !(yield* store.hasMasterKey)) {
        warnedAt = now;
        yield* Effect.logWarning(
          `the certificate of the signing key ends in ${days(left)}, and the identity that could certify a new one is not here: ` +
            "run `allium-relay keygen --new-signing-key` where it is, and copy the two new files here",
        );
      }
      yield* Effect.sleep(LOOK_EVERY);
      yield* renewCertificates(context);
    }
  });

/**
 * The background task that makes new onion keys when the present ones are old, and forgets those before them when nobody should
 * use them any more (tor-spec, "Keys"; param-spec, `onion-key-rotation-days` and `onion-key-grace-period-days`).
 *
 * @param onNewOnionKey told when there are new ones: they are in the descriptor
 */
export const keepOnionKeys = (
  params: () => OnionKeyParams,
  onNewOnionKey: Effect.Effect<void>,
): Effect.Effect<never, KeyStoreError, KeyStore> =>
  Effect.gen(function* () {
    const store = yield* KeyStore;
    for (;;) {
      const { rotationMillis, graceMillis } = params();
      const { onionKey, previousOnionKey } = store.current();
      const age = (yield* Clock.currentTimeMillis) - onionKey.createdAt;
      if (age >= rotationMillis) {
        yield* store.rotateOnionKey;
        yield* Effect.logInfo("the onion keys were rotated");
        yield* onNewOnionKey;
      } else if (previousOnionKey !== undefined && age >= graceMillis) {
        yield* store.forgetPreviousOnionKey;
        yield* Effect.logInfo("the previous onion keys were forgotten");
      }
      yield* Effect.sleep(LOOK_EVERY);
    }
  });
