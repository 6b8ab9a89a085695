import { mkdirSync, rmSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { AlliumClient, type SocksProxy, type TorNetwork, type TorNode } from "../../network/index.ts";
import { Inspector } from "../inspector.ts";
import { perfArguments } from "../perf-record.ts";
import { YOUNG_GENERATION } from "../support.ts";

/** A client of any implementation as a proxy, in a process of its own that can be ended and started again. */
export interface ClientUnderTest {
  readonly name: string;
  /** Of the process that runs. */
  readonly pid: number;
  /** Its proxy. @param isolation streams of different texts never share a circuit */
  socks(isolation?: string): SocksProxy;
  /** The number of the newest circuit: they are counted from the start of the process. */
  newestCircuit(): Promise<number>;
  /** Starts it again when it has ended. Its proxy may listen before that is done. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Takes away all that it has learnt, while it does not run. */
  forget(): void;
  /** The platform's inspector, opened now; undefined where there is none. Takes memory from then on. */
  inspect?(): Promise<Inspector>;
}

/** How to use the network. */
export interface ClientSetting {
  /** Names its files. */
  readonly name: string;
  /** Relays that it never uses, by fingerprint. */
  readonly exclude?: ReadonlyArray<string>;
  /** Relays that it does not use as exits. */
  readonly excludeExits?: ReadonlyArray<string>;
  /** Whether the system's `perf` is to know Allium's functions by name. @default false */
  readonly perf?: boolean;
}

/** Allium's client. */
export class AlliumUnderTest implements ClientUnderTest {
  readonly name = "Allium";
  private readonly inspectorPort: number;
  private client: AlliumClient;

  private constructor(client: AlliumClient, inspectorPort: number) {
    this.client = client;
    this.inspectorPort = inspectorPort;
  }

  /** Starts it, and waits until it is ready. */
  static async start(network: TorNetwork, setting: ClientSetting): Promise<AlliumUnderTest> {
    const { name, exclude = [], excludeExits = [], perf = false } = setting;
    const inspectorPort = await network.ports.take();
    const client = await AlliumClient.start(network, {
      name: `allium-${name}`,
      extra: {
        paths: { exclude: [...exclude], exclude_exits: [...excludeExits] },
        // Circuits of many credentials stay for ten minutes, and so do `tor`'s.
        limits: { max_tunnels: 10_000 },
      },
      env: { NODE_OPTIONS: `--inspect-port=127.0.0.1:${inspectorPort}` },
      ...(perf ? { nodeArguments: [...YOUNG_GENERATION, ...perfArguments(network.directory)] } : {}),
    });
    const started = new AlliumUnderTest(client, inspectorPort);
    network.use({ [Symbol.asyncDispose]: () => started.stop() });
    return started;
  }

  get pid(): number {
    return this.client.pid;
  }

  socks(isolation?: string): SocksProxy {
    return this.client.socks(isolation);
  }

  async newestCircuit(): Promise<number> {
    const { tunnels } = await statusOf(this.client);
    return Math.max(0, ...tunnels.map(({ id }) => id));
  }

  async start(): Promise<void> {
    this.client = await this.client.again({
      env: { NODE_OPTIONS: `--inspect-port=127.0.0.1:${this.inspectorPort}` },
    });
  }

  async stop(): Promise<void> {
    await this.client.stop();
  }

  forget(): void {
    rmSync(this.client.dataDirectory, { recursive: true, force: true });
  }

  async inspect(): Promise<Inspector> {
    this.client.signal("SIGUSR1");
    return await Inspector.connect(this.inspectorPort);
  }
}

/** What the running client tells of itself, as far as it is needed here. */
const statusOf = async (
  client: AlliumClient,
): Promise<{ readonly tunnels: ReadonlyArray<{ readonly id: number }> }> => {
  const socketPath = join(client.dataDirectory, "status.sock");
  const body = await new Promise<string>((resolve, reject) => {
    get({ socketPath, path: "/status" }, (answer) => resolve(text(answer))).on("error", reject);
  });
  return JSON.parse(body) as { readonly tunnels: ReadonlyArray<{ readonly id: number }> };
};

/** `tor` as a client. */
export class TorUnderTest implements ClientUnderTest {
  readonly name = "tor";
  private readonly node: TorNode;

  private constructor(node: TorNode) {
    this.node = node;
  }

  /** Starts it, and waits until it is ready. */
  static async start(network: TorNetwork, setting: ClientSetting): Promise<TorUnderTest> {
    const { name, exclude = [], excludeExits = [] } = setting;
    const option = (key: string, relays: ReadonlyArray<string>) =>
      relays.length === 0 ? [] : [[key, relays.join()] as const];
    const node = await network.addClient({
      nickname: `tor-${name}`,
      extraTorrc: [...option("ExcludeNodes", exclude), ...option("ExcludeExitNodes", excludeExits)],
    });
    return new TorUnderTest(node);
  }

  get pid(): number {
    return this.node.pid;
  }

  socks(isolation?: string): SocksProxy {
    return this.node.socks(isolation);
  }

  async newestCircuit(): Promise<number> {
    const circuits = await this.node.control.getInfo("circuit-status");
    return Math.max(0, ...circuits.split("\n").map((line) => Number.parseInt(line, 10) || 0));
  }

  async start(): Promise<void> {
    await this.node.start();
  }

  async stop(): Promise<void> {
    await this.node.stop();
  }

  forget(): void {
    rmSync(this.node.dataDirectory, { recursive: true, force: true });
    mkdirSync(this.node.dataDirectory, { mode: 0o700 });
  }
}
