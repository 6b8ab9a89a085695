// Every time of the key store.
//
// | name | default | from |
// | --- | --- | --- |
// | SIGNING_KEY_LIFETIME_MILLIS | 30 d | torrc `SigningKeyLifetime` |
// | SIGNING_KEY_RENEWAL_MILLIS | 1 d | `tor` renews its signing key a day before the certificate ends |

const millisPerDay = 86_400_000;

/** How long a signing key is certified. */
export const SIGNING_KEY_LIFETIME_MILLIS = 30 * millisPerDay;

/** How long before its end a signing key is replaced. */
export const SIGNING_KEY_RENEWAL_MILLIS = millisPerDay;
