import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AlliumProgram, type ProgramFiles, type ProgramOptions, programFiles, startProgram } from "./allium-program.ts";
import type { ManagedProcess } from "./managed-process.ts";
import { type ProcessUsage, processUsage } from "./process-usage.ts";
import type { SocksProxy } from "./socks.ts";
import { renderToml } from "./toml.ts";
import type { TorNetwork } from "./tor-network.ts";
import { eventually } from "./wait.ts";

/** What to start. */
export interface AlliumClientOptions extends ProgramOptions {
  /** Names its files in the network's directory. @default "allium-client" */
  readonly name?: string;
  /** Opens `dns_listen` on a free port. @default false */
  readonly dns?: boolean;
  /** How long it may take until it can build circuits; 0: it is not waited for. @default 60_000 */
  readonly bootstrapMs?: number;
}

/** The program `allium-client`. */
export const CLIENT_PROGRAM = fileURLToPath(new URL("../../apps/client/src/main.ts", import.meta.url));

/** A client's files, and where it listens. */
type ClientSettings = ProgramFiles & Pick<AlliumClient, "socksPort" | "dnsPort">;

/** Writes a configuration of a client in a network; its ports are free ones. */
export const writeClientConfig = async (
  network: TorNetwork,
  { name = "allium-client", dns = false, extra = {} }: AlliumClientOptions = {},
): Promise<ClientSettings> => {
  const files = programFiles(network, name);
  const socksPort = await network.ports.take();
  const dnsPort = dns ? await network.ports.take() : undefined;
  writeFileSync(
    files.configFile,
    renderToml({
      data_dir: files.dataDirectory,
      socks_listen: `127.0.0.1:${socksPort}`,
      ...(dnsPort === undefined ? {} : { dns_listen: `127.0.0.1:${dnsPort}` }),
      test_network: true,
      authorities_file: network.authoritiesFile,
      ...extra,
    }),
  );
  return { ...files, socksPort, dnsPort };
};

/** Allium's client as a proxy in a private network: a child process. Disposing it sends SIGTERM, and SIGKILL after 5 s. */
export class AlliumClient extends AlliumProgram {
  readonly name: string;
  readonly socksPort: number;
  /** Where `dns_listen` is; undefined without it. */
  readonly dnsPort: number | undefined;

  private constructor(process: ManagedProcess, settings: ClientSettings & Pick<AlliumClient, "name">) {
    super(process, settings);
    this.name = settings.name;
    this.socksPort = settings.socksPort;
    this.dnsPort = settings.dnsPort;
  }

  /**
   * Writes the configuration, starts `allium-client proxy`, and waits until it can build circuits. The client ends with the
   * network.
   *
   * @throws WaitTimeoutError, ProcessFailedError
   */
  static async start(network: TorNetwork, options: AlliumClientOptions = {}): Promise<AlliumClient> {
    const files = await writeClientConfig(network, options);
    const client = network.use(await AlliumClient.run({ ...files, name: options.name ?? "allium-client" }, options));
    const { bootstrapMs = 60_000 } = options;
    if (bootstrapMs > 0) await client.bootstrapped(bootstrapMs);
    return client;
  }

  /** Starts it once more, with the configuration and the data that it had, when it has ended. It is not waited for. */
  async again(options: Pick<AlliumClientOptions, "nodeArguments" | "env"> = {}): Promise<AlliumClient> {
    return await AlliumClient.run(this, options);
  }

  private static async run(
    settings: ClientSettings & Pick<AlliumClient, "name">,
    options: Pick<AlliumClientOptions, "nodeArguments" | "env" | "under">,
  ): Promise<AlliumClient> {
    const { name } = settings;
    const start = { ...options, name, program: CLIENT_PROGRAM, command: "proxy", files: settings };
    return new AlliumClient(await startProgram(start), settings);
  }

  /** Waits until it can build circuits. @throws WaitTimeoutError, ProcessFailedError */
  async bootstrapped(timeoutMs = 60_000): Promise<void> {
    const isReady = () => this.log().includes("bootstrapped:");
    await this.whileRunning(
      eventually(`${this.name} to bootstrap`, isReady, {
        timeoutMs,
        everyMs: 20,
        detail: () => this.log().split("\n").slice(-12).join("\n"),
      }),
    );
  }

  /** Its proxy, for `socksConnect` and its like. @param isolation streams of different texts never share a circuit */
  socks(isolation?: string): SocksProxy {
    return {
      port: this.socksPort,
      ...(isolation === undefined ? {} : { isolation: { user: isolation, password: isolation } }),
    };
  }

  /** CPU time and memory so far; undefined when it has ended. */
  usage(): ProcessUsage | undefined {
    return processUsage(this.pid);
  }
}
