/**
 * Commands of relay messages. tor-spec 6.1; proposal 329 for CONFLUX_*; rend-spec-v3 for 32 to 40; padding-spec 3 for
 * PADDING_NEGOTIATE and PADDING_NEGOTIATED; proposal 324 section 4 for XOFF and XON. CONFLUX_REWIND and CONFLUX_LEG_ENDED are
 * ours, and sent only to who has agreed to them (`ConfluxLinkPayload.resumption`).
 */
export const RelayCommand = {
  BEGIN: 1,
  DATA: 2,
  END: 3,
  CONNECTED: 4,
  SENDME: 5,
  EXTEND: 6,
  EXTENDED: 7,
  TRUNCATE: 8,
  TRUNCATED: 9,
  DROP: 10,
  RESOLVE: 11,
  RESOLVED: 12,
  BEGIN_DIR: 13,
  EXTEND2: 14,
  EXTENDED2: 15,
  CONFLUX_LINK: 19,
  CONFLUX_LINKED: 20,
  CONFLUX_LINKED_ACK: 21,
  CONFLUX_SWITCH: 22,
  ESTABLISH_INTRO: 32,
  ESTABLISH_RENDEZVOUS: 33,
  INTRODUCE1: 34,
  INTRODUCE2: 35,
  RENDEZVOUS1: 36,
  RENDEZVOUS2: 37,
  INTRO_ESTABLISHED: 38,
  RENDEZVOUS_ESTABLISHED: 39,
  INTRODUCE_ACK: 40,
  PADDING_NEGOTIATE: 41,
  PADDING_NEGOTIATED: 42,
  XOFF: 43,
  XON: 44,
  CONFLUX_REWIND: 225,
  CONFLUX_LEG_ENDED: 226,
} as const;

/** The number of a relay command that this package knows. A message's command byte may be another: see {@link relayCommandName}. */
export type RelayCommand = (typeof RelayCommand)[keyof typeof RelayCommand];

/** The name of a relay command as the specification writes it, without the RELAY_ that some texts put before it. */
export type RelayCommandName = keyof typeof RelayCommand;

const names = new Map<number, RelayCommandName>(
  (Object.keys(RelayCommand) as Array<RelayCommandName>).map((name) => [RelayCommand[name], name]),
);

/** The name of a relay command byte, or undefined for one that is not defined: such a message is counted, then dropped. tor-spec 6.1. */
export const relayCommandName = (command: number): RelayCommandName | undefined => names.get(command);

/** Whether messages of this command are about how circuits are linked, and not about a stream. */
export const isConfluxCommand = (command: number): boolean =>
  (command >= RelayCommand.CONFLUX_LINK && command <= RelayCommand.CONFLUX_SWITCH) ||
  command === RelayCommand.CONFLUX_REWIND ||
  command === RelayCommand.CONFLUX_LEG_ENDED;
