import { HopFailed } from "@allium/circuit";
import type { DirectoryFetchError } from "@allium/directory";

/**
 * Whether a request failed in a way that says that the directory cannot be reached: no channel, or no circuit of one hop. What it sends
 * is another matter.
 */
export const isGuardsFault = ({ problem, cause }: DirectoryFetchError): boolean => {
  if (problem === "timeout") return true;
  if (problem !== "transport") return false;
  if (!(cause instanceof HopFailed)) return true;
  const { problem: what } = cause;
  if (what._tag === "Ended") return false;
  return what._tag !== "Channel" || (what.error._tag !== "ChannelsClosed" && what.error._tag !== "ChannelLimit");
};
