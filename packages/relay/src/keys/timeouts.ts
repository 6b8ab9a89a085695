// Every time of the key store.
//
// | name | default | from |
// | --- | --- | --- |
// | SIGNING_KEY_LIFETIME_MILLIS | 30 d | torrc `SigningKeyLifetime` |
// | SIGNING_KEY_RENEWAL_MILLIS | 1 d | `tor` renews its signing key a day before the certificate ends |
// | SIGNING_KEY_WARNING_MILLIS | 7 d | ours: how long before that end the operator is told, if the identity is kept offline |
// | SIGNING_KEY_WARNING_PERIOD_MILLIS | 1 d | ours: how often |
//
// How long onion keys are used is a matter of the consensus: see `onionKeyParams`.

const millisPerDay = 86_400_000;

/** How long a signing key is certified. */
export const SIGNING_KEY_LIFETIME_MILLIS = 30 * millisPerDay;

/** How long before its end a signing key is replaced. */
export const SIGNING_KEY_RENEWAL_MILLIS = millisPerDay;

/** How long before that end the operator is told that a new signing key is needed, if the relay cannot make one. */
export const SIGNING_KEY_WARNING_MILLIS = 7 * millisPerDay;

/** How often the operator is told. */
export const SIGNING_KEY_WARNING_PERIOD_MILLIS = millisPerDay;
