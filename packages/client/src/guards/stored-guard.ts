import { type Fingerprint, fingerprint, formatTime, nickname, parseTime, type UnixMillis } from "@allium/netdoc";
import type { GuardRecord, SampledGuard } from "./guard.ts";
import { ADDED_BY_LIMIT, GUARD_FAULT_LIMIT, SAMPLE_LIMIT } from "./limits.ts";

/** A sampled guard as it is kept: plain data. A list of them stands in the order of the sample. */
export interface StoredGuard {
  /** 40 hexadecimal digits. */
  readonly fingerprint: string;
  readonly nickname: string;
  /** ISO 8601 in UTC to the second, as all dates here: `2026-11-21T22:40:00Z`. */
  readonly addedOn: string;
  readonly addedBy: string;
  /** Left out while it is listed. */
  readonly unlistedSince?: string;
  /** Left out if it was never used. */
  readonly confirmedOn?: string;
  /** Its place among the confirmed guards, from 0; there if `confirmedOn` is. */
  readonly confirmedPlace?: number;
}

/** What a set of guards begins with. */
export interface StoredSample {
  /** The sample in its order. */
  readonly guards: ReadonlyArray<GuardRecord>;
  /** Those that are confirmed, in their order. */
  readonly confirmed: ReadonlyArray<Fingerprint>;
}

/** What is wrong with a part of a stored state, and what becomes of it. */
export type GuardFaultProblem =
  /** The sample is no list: it begins empty. */
  | "not-a-list"
  /** The entry is no object: it is skipped. */
  | "not-an-object"
  /** Not 40 hexadecimal digits: the entry is skipped. */
  | "bad-fingerprint"
  /** A guard that was there before: the entry is skipped. */
  | "duplicate"
  /** No date of its being added: the entry is skipped, as nobody knows when to give it up. */
  | "bad-added-on"
  /** More than `SAMPLE_LIMIT`: the rest is skipped. */
  | "too-many"
  /** Not a nickname: it is forgotten, until the next consensus tells. */
  | "bad-nickname"
  /** Not a short text: it is forgotten. */
  | "bad-added-by"
  /** Not a date: the guard counts as listed, until the next consensus tells. */
  | "bad-unlisted-since"
  /** Not a date and a place: the guard counts as never used. */
  | "bad-confirmed";

/** A part of a stored state that could not be used. The rest was. */
export interface GuardFault {
  /** Which sample. */
  readonly sample: string;
  /** The place in it, from 0; undefined if the list as a whole is meant. */
  readonly index: number | undefined;
  readonly problem: GuardFaultProblem;
}

const writeDate = (date: UnixMillis): string => `${formatTime(date).replace(" ", "T")}Z`;

const readDate = (value: unknown): UnixMillis | undefined => {
  const match = typeof value === "string" ? /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})Z$/.exec(value) : null;
  return match === null ? undefined : parseTime(match[1] as string, match[2] as string);
};

/** The guards of a sample as they are kept. */
export const storedGuards = (
  guards: Iterable<SampledGuard>,
  confirmed: ReadonlyArray<SampledGuard>,
): ReadonlyArray<StoredGuard> =>
  [...guards].map((guard) => ({
    fingerprint: guard.fingerprint,
    nickname: guard.nickname,
    addedOn: writeDate(guard.addedOn),
    addedBy: guard.addedBy,
    ...(guard.unlistedSince === undefined ? {} : { unlistedSince: writeDate(guard.unlistedSince) }),
    ...(guard.confirmedOn === undefined
      ? {}
      : { confirmedOn: writeDate(guard.confirmedOn), confirmedPlace: confirmed.indexOf(guard) }),
  }));

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Notes faults, up to a bound. */
export class FaultList {
  readonly list: Array<GuardFault> = [];

  add(sample: string, index: number | undefined, problem: GuardFaultProblem): void {
    if (this.list.length < GUARD_FAULT_LIMIT) this.list.push({ sample, index, problem });
  }
}

/**
 * Reads the guards of a sample. What is damaged is noted and costs nothing else: not the other guards, and where it can be no
 * worse than forgotten, not even the guard.
 */
export const readStoredGuards = (value: unknown, sample: string, faults: FaultList): StoredSample => {
  const guards = new Map<Fingerprint, GuardRecord>();
  const places = new Map<Fingerprint, number>();
  if (!Array.isArray(value)) {
    faults.add(sample, undefined, "not-a-list");
    return { guards: [], confirmed: [] };
  }
  for (const [index, entry] of value.entries()) {
    const fault = (problem: GuardFaultProblem): void => faults.add(sample, index, problem);
    if (guards.size >= SAMPLE_LIMIT) {
      fault("too-many");
      break;
    }
    const read = readGuard(entry, fault);
    if (read === undefined) continue;
    if (guards.has(read.record.fingerprint)) {
      fault("duplicate");
      continue;
    }
    guards.set(read.record.fingerprint, read.record);
    if (read.place !== undefined) places.set(read.record.fingerprint, read.place);
  }
  // Of two that claim the same place, the one that was sampled first comes first.
  const confirmed = [...places].sort(([, one], [, other]) => one - other).map(([name]) => name);
  return { guards: [...guards.values()], confirmed };
};

interface ReadGuard {
  readonly record: GuardRecord;
  readonly place: number | undefined;
}

const readGuard = (entry: unknown, fault: (problem: GuardFaultProblem) => void): ReadGuard | undefined => {
  if (!isObject(entry)) {
    fault("not-an-object");
    return undefined;
  }
  const name = typeof entry["fingerprint"] === "string" ? fingerprint(entry["fingerprint"]) : undefined;
  if (name === undefined) {
    fault("bad-fingerprint");
    return undefined;
  }
  const addedOn = readDate(entry["addedOn"]);
  if (addedOn === undefined) {
    fault("bad-added-on");
    return undefined;
  }
  const called = entry["nickname"];
  const known = called === "" || (typeof called === "string" && nickname(called) !== undefined);
  if (!known) fault("bad-nickname");
  const by = entry["addedBy"];
  const shortBy = typeof by === "string" && by.length <= ADDED_BY_LIMIT;
  if (!shortBy) fault("bad-added-by");
  const unlistedSince = readDate(entry["unlistedSince"]);
  if (unlistedSince === undefined && entry["unlistedSince"] !== undefined) fault("bad-unlisted-since");
  const confirmed = readConfirmed(entry["confirmedOn"], entry["confirmedPlace"]);
  if (confirmed === "bad") fault("bad-confirmed");
  const { on, place } = confirmed === "bad" ? unconfirmed : confirmed;
  return {
    record: {
      fingerprint: name,
      nickname: known ? (called as string) : "",
      addedOn,
      addedBy: shortBy ? by : "",
      unlistedSince,
      confirmedOn: on,
    },
    place,
  };
};

interface Confirmed {
  readonly on: UnixMillis | undefined;
  readonly place: number | undefined;
}

const unconfirmed: Confirmed = { on: undefined, place: undefined };

const readConfirmed = (on: unknown, place: unknown): Confirmed | "bad" => {
  if (on === undefined && place === undefined) return unconfirmed;
  const date = readDate(on);
  const whole = typeof place === "number" && Number.isSafeInteger(place) && place >= 0;
  return date === undefined || !whole ? "bad" : { on: date, place };
};
