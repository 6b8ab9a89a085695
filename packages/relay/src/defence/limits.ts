// What the defences remember, and how often they speak.
//
// | name | value | for |
// | --- | --- | --- |
// | MAX_CLIENTS | 65536 | addresses that are remembered |
// | MAX_DIALS | 2048 | ours: connections that are being opened, link handshakes among them |
// | CLIENT_SWEEP_SECONDS | 10 min | those are forgotten of which nothing is to be remembered |
// | CLIENT_UNSEEN_SECONDS | 24 h | as `tor`'s: what an address has done wrong is forgotten if it was not seen again |
// | QUIET_LOG_MILLIS | 10 min | ours: what happens often is logged once in this time, with how often it has happened |

/** Addresses of clients that are remembered. */
export const MAX_CLIENTS = 65_536;

/** Connections to other relays that are being opened, link handshakes among them: a relay that has just started has some hundreds. */
export const MAX_DIALS = 2_048;

/** How often those are forgotten of which nothing is to be remembered. */
export const CLIENT_SWEEP_SECONDS = 600;

/** How long it is remembered that an address was seen to overrun circuits. */
export const CLIENT_UNSEEN_SECONDS = 24 * 3_600;

/** How often what happens often is logged. */
export const QUIET_LOG_MILLIS = 600_000;
