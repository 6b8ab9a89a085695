import { formatEndpoint, type TransportError } from "@allium/channel";

/** Whether nobody but this machine can reach an address. */
export const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1";

/**
 * Why a program cannot listen, and what can be done about it.
 *
 * @param key of the configuration, that says where it listens
 * @param perhaps which program has the port, most likely
 */
export const describeListening = (
  { code, endpoint, message }: TransportError,
  key: string,
  perhaps: string,
): string => {
  const where = formatEndpoint(endpoint);
  switch (code) {
    case "EADDRINUSE":
      return `cannot listen on ${where} (${code}): another program does, perhaps ${perhaps} already; change ${key}`;
    case "EACCES":
      return `cannot listen on ${where} (${code}): ports below 1024 need a permission; change ${key}`;
    case "EADDRNOTAVAIL":
      return `cannot listen on ${where} (${code}): this machine has no such address; change ${key}`;
    default:
      return `cannot listen: ${message}`;
  }
};
