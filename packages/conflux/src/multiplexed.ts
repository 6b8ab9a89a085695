import { RelayCommand } from "@allium/cell";

/**
 * The relay commands that count for sequence numbers, and whose messages travel on whichever leg is chosen: those whose order
 * among each other matters. Everything else belongs to the circuit that it comes on. BEGIN_DIR is not among them, although it
 * opens a stream: `tor` (conflux_should_multiplex) and Arti (cmd_counts_towards_seqno) leave it to its circuit, and both ends
 * have to count alike. Proposal 329, 2.8.
 */
export const multiplexedCommands = [
  "BEGIN",
  "DATA",
  "END",
  "CONNECTED",
  "RESOLVE",
  "RESOLVED",
  "XON",
  "XOFF",
] as const satisfies ReadonlyArray<keyof typeof RelayCommand>;

/** By command byte, which is the index. */
const counts: ReadonlyArray<boolean> = Array.from({ length: 256 }, (_, command) =>
  multiplexedCommands.some((name) => RelayCommand[name] === command),
);

/** Whether a message of this command counts for sequence numbers. A command that nobody knows does not. */
export const isMultiplexed = (command: number): boolean => counts[command] === true;
