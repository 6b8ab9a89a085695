import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type LogFinding, scanLog } from "./log-scan.ts";
import { ManagedProcess, type ProcessExit } from "./managed-process.ts";
import type { TorNetwork } from "./tor-network.ts";
import { eventually } from "./wait.ts";

/** A value of Allium's configuration file. */
export type TomlValue = string | number | boolean | ReadonlyArray<string>;

/** What to start. */
export interface AlliumRelayOptions {
  /** @default "allium" */
  readonly nickname?: string;
  /** The policy, in torrc syntax; undefined makes it a relay that lets nothing out. Names are looked up in the network's own. */
  readonly exit?: { readonly policy: ReadonlyArray<string>; readonly rejectPrivate?: boolean };
  /** Opens `[metrics] listen` on a free port. @default false */
  readonly metrics?: boolean;
  /** More keys of the configuration's top, and more tables. */
  readonly extra?: Readonly<Record<string, TomlValue | Readonly<Record<string, TomlValue>>>>;
  /** Options of Node itself, such as `--expose-gc` or `--cpu-prof`. */
  readonly nodeArguments?: ReadonlyArray<string>;
  readonly env?: Readonly<Record<string, string>>;
}

const PROGRAM = fileURLToPath(new URL("../../apps/relay/src/main.ts", import.meta.url));

const isTable = (
  value: TomlValue | Readonly<Record<string, TomlValue>>,
): value is Readonly<Record<string, TomlValue>> => typeof value === "object" && !Array.isArray(value);

/** The text of a TOML file: plain keys first, then the tables. JSON's strings, numbers and arrays are TOML's too. */
export const renderToml = (
  document: Readonly<Record<string, TomlValue | Readonly<Record<string, TomlValue>>>>,
): string => {
  const keys = (table: Readonly<Record<string, TomlValue | Readonly<Record<string, TomlValue>>>>): string =>
    Object.entries(table)
      .filter(([, value]) => !isTable(value))
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
      .join("");
  const tables = Object.entries(document).flatMap(([name, value]) =>
    isTable(value) ? [`\n[${name}]\n${keys(value)}`] : [],
  );
  return keys(document) + tables.join("");
};

/** Allium's relay as a child process in a private network. Disposing it sends SIGTERM, and SIGKILL after 5 s. */
export class AlliumRelay implements AsyncDisposable {
  readonly nickname: string;
  readonly orPort: number;
  /** Where `[metrics]` listens; undefined without it. */
  readonly metricsPort: number | undefined;
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly pid: number;
  private readonly process: ManagedProcess;

  private constructor(
    process: ManagedProcess,
    settings: Pick<AlliumRelay, "nickname" | "orPort" | "metricsPort" | "dataDirectory" | "configFile" | "logFile">,
  ) {
    this.process = process;
    this.pid = process.pid;
    this.nickname = settings.nickname;
    this.orPort = settings.orPort;
    this.metricsPort = settings.metricsPort;
    this.dataDirectory = settings.dataDirectory;
    this.configFile = settings.configFile;
    this.logFile = settings.logFile;
  }

  /**
   * Writes the configuration and starts `allium-relay run`. The relay ends with the network. It is in the consensus some
   * rounds later: `network.waitForConsensus(relay.nickname, ...)`, raced against the relay's end by `whileRunning`.
   */
  static async start(network: TorNetwork, options: AlliumRelayOptions = {}): Promise<AlliumRelay> {
    const nickname = options.nickname ?? "allium";
    const orPort = await network.ports.take();
    const metricsPort = options.metrics === true ? await network.ports.take() : undefined;
    const dataDirectory = join(network.directory, nickname);
    const configFile = `${dataDirectory}.toml`;
    const logFile = `${dataDirectory}.log`;
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
    writeFileSync(
      configFile,
      renderToml({
        nickname,
        contact: `${nickname}@private.test`,
        data_dir: dataDirectory,
        or_port: `127.0.0.1:${orPort}`,
        address: "127.0.0.1",
        test_network: true,
        authorities_file: network.authoritiesFile,
        ...(options.exit === undefined
          ? {}
          : {
              exit: {
                enabled: true,
                policy: options.exit.policy,
                reject_private: options.exit.rejectPrivate ?? false,
                resolv_conf: join(network.directory, "resolv.conf"),
              },
            }),
        ...(metricsPort === undefined ? {} : { metrics: { listen: `127.0.0.1:${metricsPort}` } }),
        ...options.extra,
      }),
    );
    const child = await ManagedProcess.start({
      name: `allium-relay ${nickname}`,
      // Without arguments for the platform, as an operator runs it: with those that the program itself asks for.
      ...(options.nodeArguments === undefined || options.nodeArguments.length === 0
        ? { command: PROGRAM, args: ["run", "--config", configFile] }
        : { command: process.execPath, args: [...options.nodeArguments, PROGRAM, "run", "--config", configFile] }),
      logFile,
      env: { ...process.env, ...options.env },
    });
    return network.use(new AlliumRelay(child, { nickname, orPort, metricsPort, dataDirectory, configFile, logFile }));
  }

  get running(): boolean {
    return this.process.running;
  }

  /** Settles when the process has ended. */
  get exited(): Promise<ProcessExit> {
    return this.process.exited;
  }

  /** Rejects with the end of the relay's log when it ends before `work` does. @throws ProcessFailedError */
  async whileRunning<A>(work: Promise<A>): Promise<A> {
    return await this.process.whileRunning(work);
  }

  /** Waits until the consensus that it has itself lists so many relays. @throws WaitTimeoutError */
  async knowsRelays(count: number, timeoutMs = 60_000): Promise<void> {
    const known = () => Number([...this.log().matchAll(/new consensus from \w+: (\d+) relays/g)].at(-1)?.[1] ?? 0);
    await eventually(`${this.nickname} to know ${count} relays`, () => known() >= count, { timeoutMs, everyMs: 50 });
  }

  /** Everything it has written so far. */
  log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  warnings(allow: ReadonlyArray<RegExp> = []): ReadonlyArray<LogFinding> {
    return scanLog(this.logFile, allow);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  /** Ends it in order; how it ended tells whether it took SIGTERM well (code 0) or had to be killed. */
  async stop(graceMs = 5000): Promise<ProcessExit> {
    return await this.process.stop(graceMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
