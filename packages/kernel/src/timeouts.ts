/**
 * Every time of the kernel by name. All run on the `Clock`; the table with their reasons is in docs/kernel.md.
 */

/** How long a reactor group waits for its reactors to end and for its scope to be released before it goes on without them. */
export const TEARDOWN_DEADLINE = "5 seconds";
