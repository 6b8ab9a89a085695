import { formatEndpoint, layerEntropy, NodeTransport, type TransportError } from "@allium/channel";
import { describeListening } from "@allium/cli";
import type { BootstrapError, ClientFailed, DataDirError } from "@allium/client";
import { Layer } from "effect";
import { describeTrouble } from "./bootstrap-progress.ts";
import type { ProgramConfig } from "./config/load.ts";
import { ClientStopped } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";

/** Sockets and randomness of the machine. */
export const platform = Layer.merge(layerEntropy, NodeTransport.layer);

const detailOf = (
  error: BootstrapError | ClientFailed | DataDirError | TransportError,
  config: ProgramConfig,
): string => {
  switch (error._tag) {
    case "BootstrapError":
      return describeTrouble(error);
    case "DataDirError":
      return error.message;
    case "ClientFailed":
      return `internal error, please report it: ${error.message}`;
    case "TransportError": {
      const isSocks = formatEndpoint(error.endpoint) === formatEndpoint(config.socksListen);
      return describeListening(error, isSocks ? "socks_listen" : "dns_listen", "this client");
    }
  }
};

/** Why the client could not be run, for its user. */
export const stopped =
  (config: ProgramConfig) =>
  (error: BootstrapError | ClientFailed | DataDirError | TransportError): ClientStopped =>
    new ClientStopped({
      exitCode: error._tag === "DataDirError" ? ExitCode.DataDirectory : ExitCode.Failure,
      detail: detailOf(error, config),
      cause: error,
    });
