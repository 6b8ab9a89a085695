import type { Duration } from "effect";

/** Jobs that wait for the thread; one more fails at once. */
export const MAX_WAITING_JOBS = 32;

/** How long a job may take. A diff between the largest consensuses takes a second. */
export const JOB_TIMEOUT: Duration.Input = "1 minute";

/** How long the thread stays when there is nothing to do. */
export const THREAD_IDLE: Duration.Input = "30 seconds";

/** What the thread's heap may have, in MiB. Documents are outside of it. */
export const THREAD_HEAP_MEBIBYTES = 256;
