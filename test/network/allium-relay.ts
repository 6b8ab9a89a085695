import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AlliumProgram, type ProgramFiles, type ProgramOptions, programFiles, startProgram } from "./allium-program.ts";
import type { ManagedProcess } from "./managed-process.ts";
import { renderToml } from "./toml.ts";
import type { TorNetwork } from "./tor-network.ts";
import { eventually } from "./wait.ts";

/** What to start. */
export interface AlliumRelayOptions extends ProgramOptions {
  /** @default "allium" */
  readonly nickname?: string;
  /** The policy, in torrc syntax; undefined makes it a relay that lets nothing out. Names are looked up in the network's own. */
  readonly exit?: { readonly policy: ReadonlyArray<string>; readonly rejectPrivate?: boolean };
  /** Opens `[metrics] listen` on a free port. @default false */
  readonly metrics?: boolean;
}

const PROGRAM = fileURLToPath(new URL("../../apps/relay/src/main.ts", import.meta.url));

/** Allium's relay as a child process in a private network. Disposing it sends SIGTERM, and SIGKILL after 5 s. */
export class AlliumRelay extends AlliumProgram {
  readonly nickname: string;
  readonly orPort: number;
  /** Where `[metrics]` listens; undefined without it. */
  readonly metricsPort: number | undefined;

  private constructor(
    process: ManagedProcess,
    settings: ProgramFiles & Pick<AlliumRelay, "nickname" | "orPort" | "metricsPort">,
  ) {
    super(process, settings);
    this.nickname = settings.nickname;
    this.orPort = settings.orPort;
    this.metricsPort = settings.metricsPort;
  }

  /**
   * Writes the configuration and starts `allium-relay run`. The relay ends with the network. It is in the consensus some
   * rounds later: `network.waitForConsensus(relay.nickname, ...)`, raced against the relay's end by `whileRunning`.
   */
  static async start(network: TorNetwork, options: AlliumRelayOptions = {}): Promise<AlliumRelay> {
    const nickname = options.nickname ?? "allium";
    const orPort = await network.ports.take();
    const metricsPort = options.metrics === true ? await network.ports.take() : undefined;
    const files = programFiles(network, nickname);
    mkdirSync(files.dataDirectory, { recursive: true, mode: 0o700 });
    writeFileSync(
      files.configFile,
      renderToml({
        nickname,
        contact: `${nickname}@private.test`,
        data_dir: files.dataDirectory,
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
    const name = `allium-relay ${nickname}`;
    const child = await startProgram({ ...options, name, program: PROGRAM, command: "run", files });
    return network.use(new AlliumRelay(child, { ...files, nickname, orPort, metricsPort }));
  }

  /** Waits until the consensus that it has itself lists so many relays. @throws WaitTimeoutError */
  async knowsRelays(count: number, timeoutMs = 60_000): Promise<void> {
    const known = () => Number([...this.log().matchAll(/new consensus from \w+: (\d+) relays/g)].at(-1)?.[1] ?? 0);
    await eventually(`${this.nickname} to know ${count} relays`, () => known() >= count, { timeoutMs, everyMs: 50 });
  }
}
