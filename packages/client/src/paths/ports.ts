import type { Microdescriptor } from "@allium/netdoc";

/**
 * The ports whose connections are taken to stay open for long: circuits for them are of Stable relays (path-spec 2.2,
 * LongLivedPorts).
 */
export const longLivedPorts: ReadonlySet<number> = new Set([
  21, 22, 706, 1863, 5050, 5190, 5222, 5223, 6667, 6697, 8300,
]);

/** What an exit must permit. */
export interface ExitNeed {
  /** Over which the exit shall connect; either, if a name is to be resolved there and both will do. */
  readonly family: 4 | 6 | "either";
  readonly port: number;
}

/** Whether any of these may take a connection that stays open for long. */
export const needStable = (needs: ReadonlyArray<ExitNeed>): boolean =>
  needs.some(({ port }) => longLivedPorts.has(port));

/**
 * Whether the summaries of an exit's policy permit something: the exit "might support" it, where the address is known to nobody
 * or decides otherwise (path-spec 2.2.1).
 */
export const permits = ({ policy, ipv6Policy }: Microdescriptor, { family, port }: ExitNeed): boolean =>
  (family !== 6 && policy.permits(port)) || (family !== 4 && ipv6Policy.permits(port));

/** Whether an exit permits anything: what a resolve takes, and what an exit for anything must do (path-spec 2.2). */
export const permitsSomething = ({ policy, ipv6Policy }: Microdescriptor): boolean =>
  !policy.rejectsAll || !ipv6Policy.rejectsAll;
