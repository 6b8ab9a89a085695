import { GuardStateError } from "./errors.ts";
import { GUARD_STATE_LIMIT_BYTES } from "./limits.ts";
import { FaultList, type GuardFault, readStoredGuards, type StoredGuard, type StoredSample } from "./stored-guard.ts";

/** The version of the form in which guards are kept. A change that an older program would misread makes it another one. */
export const GUARD_STATE_VERSION = 1;

/** What is kept of the guards: plain data, for a file. */
export interface GuardState {
  readonly version: typeof GUARD_STATE_VERSION;
  /** The samples of guard-spec 2, each in its order. */
  readonly samples: {
    readonly default: ReadonlyArray<StoredGuard>;
    readonly restricted: ReadonlyArray<StoredGuard>;
  };
}

/** What was read, and what could not be. */
export interface LoadedGuards {
  readonly default: StoredSample;
  readonly restricted: StoredSample;
  /** The first `GUARD_FAULT_LIMIT` parts that could not be used. */
  readonly faults: ReadonlyArray<GuardFault>;
}

const empty: ReadonlyArray<StoredGuard> = [];

/**
 * Reads what was kept.
 *
 * @param state anything that came out of JSON
 * @throws GuardStateError if it is nothing of this kind, or of a version that is not known
 */
export const readGuardState = (state: unknown): LoadedGuards => {
  if (typeof state !== "object" || state === null) throw new GuardStateError("bad-shape", "not an object");
  const { version, samples } = state as Readonly<Record<string, unknown>>;
  if (typeof version !== "number") throw new GuardStateError("bad-shape", "no version");
  if (version !== GUARD_STATE_VERSION)
    throw new GuardStateError("unknown-version", `version ${version}, where ${GUARD_STATE_VERSION} is known`);
  if (typeof samples !== "object" || samples === null) throw new GuardStateError("bad-shape", "no samples");
  const { default: common = empty, restricted = empty } = samples as Readonly<Record<string, unknown>>;
  const faults = new FaultList();
  return {
    default: readStoredGuards(common, "default", faults),
    restricted: readStoredGuards(restricted, "restricted", faults),
    faults: faults.list,
  };
};

/**
 * Reads the text of a file.
 *
 * @throws GuardStateError as {@link readGuardState}, or if it is too long or no JSON
 */
export const parseGuardState = (text: string): LoadedGuards => {
  if (Buffer.byteLength(text) > GUARD_STATE_LIMIT_BYTES)
    throw new GuardStateError("too-large", `more than ${GUARD_STATE_LIMIT_BYTES} bytes`);
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch (error) {
    throw new GuardStateError("not-json", error instanceof Error ? error.message : "not JSON");
  }
  return readGuardState(state);
};

/** The text for a file. */
export const formatGuardState = (state: GuardState): string => `${JSON.stringify(state, undefined, 2)}\n`;
