import type { RelayFlag } from "@allium/netdoc";

/** A relay as a test wants it. What is left out is as with the others. */
export interface RelayOptions {
  readonly nickname: string;
  /** @default Fast Running Stable Valid V2Dir, and Exit if it has a policy */
  readonly flags?: ReadonlyArray<RelayFlag>;
  /** Rules in torrc syntax, as in `accept *:80`. Without them it is no exit. */
  readonly policy?: ReadonlyArray<string>;
  /** Its weight in the consensus. @default 1000 */
  readonly bandwidth?: number;
  /** Nicknames of those that it calls its family. The claim counts if it is mutual. */
  readonly family?: ReadonlyArray<string>;
  /** IPv4. @default in a /16 of its own */
  readonly address?: string;
  /** @default 9001 */
  readonly orPort?: number;
  /** What it says that it speaks. */
  readonly protocols?: string;
}

/** Relays by the dozen: `guard0`, `middle0`, `exit0`, and so on. */
export interface RelayCounts {
  readonly guards?: number;
  readonly middles?: number;
  readonly exits?: number;
}

/** A relay with all that is to be known of it before it has keys. */
export type RelayPlan = Required<RelayOptions>;

/** Flags of relays that are good for the middle, for the beginning, and for the end of a path. */
export const MIDDLE_FLAGS: ReadonlyArray<RelayFlag> = ["Fast", "Running", "Stable", "V2Dir", "Valid"];
export const GUARD_FLAGS: ReadonlyArray<RelayFlag> = ["Fast", "Guard", "Running", "Stable", "V2Dir", "Valid"];
export const EXIT_FLAGS: ReadonlyArray<RelayFlag> = ["Exit", "Fast", "Running", "Stable", "V2Dir", "Valid"];

/** What `tor` 0.4.9 says that it speaks. */
export const PROTOCOLS =
  "Conflux=1 Cons=1-2 Desc=1-4 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 Link=3-5 LinkAuth=3 Microdesc=1-3 Padding=2 Relay=2-4";

/** The relays of a network. */
export const planRelays = (wanted: ReadonlyArray<RelayOptions> | RelayCounts): ReadonlyArray<RelayPlan> => {
  const options = "length" in wanted ? wanted : byTheDozen(wanted);
  return options.map((option, index) => ({
    flags: option.policy === undefined ? MIDDLE_FLAGS : EXIT_FLAGS,
    policy: [],
    bandwidth: 1_000,
    family: [],
    address: `5.${index + 1}.0.1`,
    orPort: 9_001,
    protocols: PROTOCOLS,
    ...option,
  }));
};

/** The relay that an authority also is. It carries no traffic worth speaking of, and everybody asks it for documents. */
export const planAuthority = (index: number): RelayPlan => ({
  nickname: `auth${index}`,
  flags: ["Authority", "Running", "V2Dir", "Valid"],
  policy: [],
  bandwidth: 20,
  family: [],
  address: `7.${index + 1}.0.1`,
  orPort: 9_001,
  protocols: PROTOCOLS,
});

const byTheDozen = ({ guards = 0, middles = 0, exits = 0 }: RelayCounts): ReadonlyArray<RelayOptions> => [
  ...numbered("guard", guards, { flags: GUARD_FLAGS }),
  ...numbered("middle", middles, {}),
  ...numbered("exit", exits, { policy: ["accept *:*"] }),
];

const numbered = (name: string, count: number, options: Omit<RelayOptions, "nickname">): ReadonlyArray<RelayOptions> =>
  Array.from({ length: count }, (_, index) => ({ nickname: `${name}${index}`, ...options }));
