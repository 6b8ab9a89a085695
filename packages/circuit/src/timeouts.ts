import type { Duration } from "effect";

// Every time of this package that is not a consensus parameter.
//
// | name | default | from |
// | --- | --- | --- |
// | FORCED_TEARDOWN_DELAY | 500 ms | ours: how long a blocked reactor may keep a circuit whose peer is gone |

/** How long a circuit whose near or far side has ended may take to deliver what came before the end. */
export const FORCED_TEARDOWN_DELAY: Duration.Input = "500 millis";
