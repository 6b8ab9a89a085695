import { parseAuthorities } from "@allium/directory";
import {
  defaultBandwidth,
  defaultConflux,
  defaultDirectory,
  defaultDos,
  defaultExit,
  defaultLimits,
  type RelayConfig,
} from "@allium/relay";

/** What an exit of a private network is told. */
export interface ExitOfNetwork {
  readonly nickname: string;
  readonly dataDirectory: string;
  /** On the loopback address. */
  readonly port: number;
  /** Lines `DirAuthority ...`. */
  readonly authorities: string;
  /** The name servers that it asks. */
  readonly resolvConf: string;
  readonly policy: ReadonlyArray<string>;
}

/** The configuration of an exit that runs in this process, for a network on loopback. */
export const exitConfig = (exit: ExitOfNetwork): RelayConfig => {
  const endpoint = { host: "127.0.0.1", port: exit.port };
  return {
    nickname: exit.nickname,
    contact: undefined,
    dataDir: exit.dataDirectory,
    orPort: endpoint,
    advertised: endpoint,
    testNetwork: true,
    authorities: parseAuthorities(exit.authorities),
    family: [],
    bandwidth: defaultBandwidth,
    exit: {
      ...defaultExit,
      enabled: true,
      policy: exit.policy,
      rejectPrivate: false,
      ipv6: true,
      resolvConf: exit.resolvConf,
    },
    directory: defaultDirectory,
    conflux: defaultConflux,
    limits: defaultLimits,
    dos: defaultDos,
  };
};
