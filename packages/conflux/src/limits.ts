// Every bound of this package that is not a consensus parameter.
//
// | name | value | from |
// | --- | --- | --- |
// | MAX_LEGS | 4 | as `tor`: CONFLUX_MAX_CIRCS |
// | MAX_LANES | 16 | ours: four times the legs, since cells of a leg that has gone may still wait, and of one that went back |
// | REORDER_BYTES | 32 MiB | ours; `tor` leaves it to its out-of-memory handler |
// | MAX_CELLS_AHEAD | 2^20 | ours: half a gigabyte in flight |
// | MAX_IDLE_SWITCHES | 8 | ours; Arti: none on a leg after another |
// | RESEND_BYTES | 4 MiB | ours: a window of 8000 cells |
// | MAX_ENDED_LEGS | 4 | ours: of which a leg that joins is told |
// | FORCED_SWITCH_CELLS | 2^31 | proposal 329, 2.6 |
// | MAX_RELATIVE_SEQNO | 2^32 - 2 | as `tor`, which asserts that it is below UINT32_MAX |
// | DEFAULT_MAX_SETS | 8192 | ours; `tor` has none |
// | MAX_ENDED_NONCES | 4096 | ours: what is remembered of sets that have ended |
// | LINK_TIMEOUT_US | 60 s | as Arti: LINK_TIMEOUT |
// | LINKED_ACK_TIMEOUT_US | 60 s | ours: the same; `tor` waits for ever |
// | LOST_CELLS_TIMEOUT_US | 30 s | ours; `tor` waits for ever |

/** Legs that a set may have at a time. */
export const MAX_LEGS = 4;

/** Legs whose cells may wait in a reorder queue, those among them that have gone; one that went back counts twice. */
export const MAX_LANES = 4 * MAX_LEGS;

/** Bytes that may wait for cells of other legs, by default. */
export const REORDER_BYTES = 32 * 1024 * 1024;

/** Sets that others may have begun in a process, by default. */
export const DEFAULT_MAX_SETS = 8_192;

/** Nonces of sets that have ended which are remembered: none of them is taken again. */
export const MAX_ENDED_NONCES = 4_096;

/** How far a leg may be ahead of what was delivered, cells. More than any window allows, and what bounds lies about the order. */
export const MAX_CELLS_AHEAD = 2 ** 20;

/** SWITCHes in a row that may come to a set with no cell between. An honest peer sends a cell behind each. */
export const MAX_IDLE_SWITCHES = 8;

/** Bytes of sent cells that are kept for being sent again, by default. */
export const RESEND_BYTES = 4 * 1024 * 1024;

/** Legs that have ended of which one that joins is told, the last of them: less than {@link MAX_IDLE_SWITCHES} messages. */
export const MAX_ENDED_LEGS = 4;

/** Cells by which a leg may fall behind before it has to be used, so that the next SWITCH on it fits 32 bits. */
export const FORCED_SWITCH_CELLS = 2 ** 31;

/** The largest number that a SWITCH of ours carries. */
export const MAX_RELATIVE_SEQNO = 2 ** 32 - 2;

/** How long LINKED may take, by default, microseconds. A client gives its circuit build timeout instead (proposal 329, 2.2). */
export const LINK_TIMEOUT_US = 60_000_000;

/** How long LINKED_ACK may take, microseconds. */
export const LINKED_ACK_TIMEOUT_US = 60_000_000;

/**
 * How long a set that has lost a leg waits at least, and twice that at most, for cells that may have gone with it while others wait
 * behind them, microseconds.
 */
export const LOST_CELLS_TIMEOUT_US = 30_000_000;
