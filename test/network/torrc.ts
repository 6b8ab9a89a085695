/** One option line. An option may come more than once. */
export type TorrcLine = readonly [option: string, value: string | number];

/** What a daemon is in the network. An exit is a relay that lets traffic out. */
export type TorRole = "authority" | "relay" | "exit" | "client";

/** What decides how the authorities vote. Times in seconds. */
export interface VotingOptions {
  /** Time between consensuses, at least 10; it must divide 30 minutes. */
  readonly interval: number;
  /**
   * When the first consensus is due, counted from the start of the daemons. Relays have until 4 s before that to be known to
   * every authority; those that miss it wait for the next round. At most `interval`.
   */
  readonly firstAfter: number;
  /** How long votes may take, at least 2. */
  readonly voteDelay: number;
  /** How long signatures may take, at least 2. */
  readonly distDelay: number;
  /**
   * Whether a relay gets Exit only for its policy, Fast for its bandwidth, and Guard for being Fast, Stable and a directory
   * cache. Otherwise every relay gets them, and with them a place in clients' paths. What a relay of this network cannot have
   * yet, weeks of uptime and a history of traffic, is asked of none.
   */
  readonly earnedFlags: boolean;
  /**
   * The only relays that clients may connect to, by nickname: nobody else gets Guard, and Exit follows the policy. Undefined: all relays, or
   * those that earn it.
   */
  readonly guards?: ReadonlyArray<string>;
  /** Network parameters, voted by every authority. */
  readonly consensusParams: Readonly<Record<string, number>>;
}

/** What a torrc is made of. */
export interface TorrcInput {
  readonly role: TorRole;
  readonly nickname: string;
  readonly dataDirectory: string;
  readonly controlPort: number;
  /** For all but clients. */
  readonly orPort: number;
  /** Where it listens, if a line is in front of its OR port. */
  readonly listenPort?: number;
  readonly dirPort: number;
  /** For clients. */
  readonly socksPort: number;
  readonly logLevel: string;
  /** `DirAuthority` lines without the keyword. */
  readonly authorities: ReadonlyArray<string>;
  readonly voting: VotingOptions;
  /** Seconds by which the rounds are shifted from whole multiples of the interval since midnight. */
  readonly votingOffset: number;
  /** Whether a relay hands directory documents on; authorities always do. */
  readonly dirCache: boolean;
  /** An exit's policy, in torrc syntax. */
  readonly exitPolicy: ReadonlyArray<string>;
  /** An exit resolves names by this file. */
  readonly resolvConf: string;
  /** Appended last. */
  readonly extra: ReadonlyArray<TorrcLine>;
}

/** An exit that lets everything out, to loopback too, over IPv4 and IPv6. */
export const OPEN_EXIT_POLICY: ReadonlyArray<string> = ["accept 127.0.0.0/8:*", "accept6 [::1]/128:*", "accept *:*"];

const common = (input: TorrcInput): ReadonlyArray<TorrcLine> => [
  ["TestingTorNetwork", 1],
  ["DataDirectory", input.dataDirectory],
  ["PidFile", `${input.dataDirectory}/pid`],
  ["RunAsDaemon", 0],
  // Ends by itself within 15 s of our death, should the reaper have died too.
  ["__OwningControllerProcess", process.pid],
  ["ControlPort", `127.0.0.1:${input.controlPort}`],
  ["CookieAuthentication", 1],
  ["Log", `${input.logLevel} stdout`],
  ["SafeLogging", 0],
  ["ProtocolWarnings", 1],
  ["PathsNeededToBuildCircuits", "0.67"],
  ["ShutdownWaitLength", 2],
  ...input.authorities.map((line): TorrcLine => ["DirAuthority", line]),
];

const server = (input: TorrcInput): ReadonlyArray<TorrcLine> => [
  // Without this every daemon wants 9050.
  ["SocksPort", 0],
  ["Nickname", input.nickname],
  ["ContactInfo", `${input.nickname}@private.test`],
  ["Address", "127.0.0.1"],
  ...(input.listenPort === undefined
    ? ([["ORPort", `127.0.0.1:${input.orPort}`]] as const)
    : ([
        ["ORPort", `127.0.0.1:${input.orPort} NoListen`],
        ["ORPort", `127.0.0.1:${input.listenPort} NoAdvertise`],
      ] as const)),
  ...(input.dirCache || input.role === "authority"
    ? ([["DirPort", `127.0.0.1:${input.dirPort}`]] as const)
    : ([
        ["DirCache", 0],
        // Without it such a relay waits for circuits of its own before it asks for anything.
        ["FetchUselessDescriptors", 1],
      ] as const)),
  ["AssumeReachable", 1],
  // A relay's own circuits: in so small a network most of them fail, loudly, and they blur what a relay under test carries.
  ["__DisablePredictedCircuits", 1],
];

const noExit: ReadonlyArray<TorrcLine> = [
  ["ExitRelay", 0],
  ["ExitPolicy", "reject *:*"],
];

/** `tor` takes a list of guards for additional ones unless it is told that they are all. */
const guardVotes = (guards: VotingOptions["guards"]): ReadonlyArray<TorrcLine> =>
  guards === undefined
    ? [
        ["TestingDirAuthVoteExit", "*"],
        ["TestingDirAuthVoteGuard", "*"],
      ]
    : [
        // Without Stable nobody takes a relay for a guard, and who votes by a list of guards gives it to none that is new.
        ["AuthDirVoteStableGuaranteeMinUptime", "0 seconds"],
        ["TestingDirAuthVoteGuard", guards.join(",")],
        ["TestingDirAuthVoteGuardIsStrict", 1],
      ];

const authority = (input: TorrcInput): ReadonlyArray<TorrcLine> => [
  ["AuthoritativeDirectory", 1],
  ["V3AuthoritativeDirectory", 1],
  ["V3AuthNIntervalsValid", 2],
  ["V3AuthVotingInterval", `${input.voting.interval} seconds`],
  ["V3AuthVoteDelay", `${input.voting.voteDelay} seconds`],
  ["V3AuthDistDelay", `${input.voting.distDelay} seconds`],
  ["TestingV3AuthInitialVotingInterval", `${input.voting.interval} seconds`],
  ["TestingV3AuthVotingStartOffset", input.votingOffset],
  ["TestingV3AuthInitialVoteDelay", `${Math.min(input.voting.voteDelay, 2)} seconds`],
  ["TestingV3AuthInitialDistDelay", `${Math.min(input.voting.distDelay, 2)} seconds`],
  ...(input.voting.earnedFlags
    ? ([
        ["AuthDirVoteStableGuaranteeMinUptime", "0 seconds"],
        ["AuthDirVoteGuardGuaranteeTimeKnown", "0 seconds"],
        ["AuthDirGuardBWGuarantee", "1 byte"],
      ] as const)
    : ([
        ...guardVotes(input.voting.guards),
        // Less than the unit that tor counts in: a relay that has carried nothing yet is fast too.
        ["AuthDirFastGuarantee", "1 byte"],
      ] as const)),
  ["TestingDirAuthVoteHSDir", "*"],
  ["TestingMinExitFlagThreshold", 0],
  ["AuthDirMaxServersPerAddr", 0],
  [
    "ConsensusParams",
    Object.entries(input.voting.consensusParams)
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
  ],
];

const exit = (input: TorrcInput): ReadonlyArray<TorrcLine> => [
  ["ExitRelay", 1],
  ["IPv6Exit", 1],
  ["ExitPolicyRejectPrivate", 0],
  ...input.exitPolicy.map((rule): TorrcLine => ["ExitPolicy", rule]),
  ["ServerDNSResolvConfFile", input.resolvConf],
  // Hijack detection asks the resolver for names made up for the purpose: noise in the name server's counts.
  ["ServerDNSDetectHijacking", 0],
  ["ServerDNSTestAddresses", "check.test"],
];

const client = (input: TorrcInput): ReadonlyArray<TorrcLine> => [
  ["SocksPort", `127.0.0.1:${input.socksPort}`],
  ["ClientRejectInternalAddresses", 0],
  ["ClientDNSRejectInternalAddresses", 0],
  // On loopback tor learns timeouts of a few ms, and then a busy machine fails its circuits.
  ["LearnCircuitBuildTimeout", 0],
  // Circuits for onion services, prepared in advance, want more relays than a small network has.
  ["VanguardsLiteEnabled", 0],
];

/** The text of a daemon's torrc. */
export const renderTorrc = (input: TorrcInput): string => {
  const lines: ReadonlyArray<TorrcLine> = [
    ...common(input),
    ...(input.role === "client" ? client(input) : server(input)),
    ...(input.role === "authority" ? [...noExit, ...authority(input)] : []),
    ...(input.role === "relay" ? noExit : []),
    ...(input.role === "exit" ? exit(input) : []),
    ...input.extra,
  ];
  return `${lines.map(([option, value]) => `${option} ${value}`).join("\n")}\n`;
};
