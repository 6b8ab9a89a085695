// Times to live, as `tor` tells them to clients and keeps them itself. All in seconds.
//
// | name | value | from |
// | --- | --- | --- |
// | MIN_DNS_TTL | 300 | `tor`: what any shorter time becomes |
// | MAX_DNS_TTL | 3600 | `tor`: what any other time becomes |
// | FUZZY_DNS_TTL | 240 | `tor`: how far chance moves either of them |
// | DEFAULT_DNS_TTL | 1800 | `tor`: of addresses that came without a time, as literal ones do |

/** What any shorter time to live becomes. */
export const MIN_DNS_TTL = 300;
/** What any time to live of {@link MIN_DNS_TTL} and more becomes. */
export const MAX_DNS_TTL = 3_600;
/** How far chance moves a time to live, either way. */
export const FUZZY_DNS_TTL = 240;
/** The time to live where none is known. */
export const DEFAULT_DNS_TTL = 1_800;

/**
 * The time to live that is used in place of the one the DNS gave. One of two values only, so that when an exit asks again
 * tells little about who visited what (Greschbach et al., "The Effect of DNS on Tor's Anonymity").
 */
export const clipTtl = (ttl: number): number => (ttl < MIN_DNS_TTL ? MIN_DNS_TTL : MAX_DNS_TTL);

/**
 * {@link clipTtl}, moved by chance by up to {@link FUZZY_DNS_TTL} either way, so that the time of a visit cannot be counted
 * back from the time at which an answer left the cache.
 *
 * @param below an integer in [0, limit), as `Entropy.below`
 */
export const fuzzyTtl = (ttl: number, below: (limit: number) => number): number =>
  clipTtl(ttl) + below(1 + 2 * FUZZY_DNS_TTL) - FUZZY_DNS_TTL;
