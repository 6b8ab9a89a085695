import { renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authorityKeys, installAuthorityKeys, makeRelayIdentity } from "./authority-keys.ts";
import { hasFlags, parseRouterStatuses, type RouterStatus } from "./consensus.ts";
import { NameServer } from "./name-server.ts";
import { ChildOrigin, LocalOrigin, type Origin } from "./origin.ts";
import { PortPool } from "./ports.ts";
import { forgetDirectory, reapDirectory } from "./reaper.ts";
import { BACKBONE, type LineSettings, SlowLine } from "./slow-line.ts";
import { TorNode } from "./tor-node.ts";
import { OPEN_EXIT_POLICY, type TorRole, type TorrcInput, type TorrcLine, type VotingOptions } from "./torrc.ts";

/** What a network says while it comes up. */
export interface NetworkProgress {
  /** Since the start, in seconds. */
  readonly seconds: number;
  readonly phase: "keys" | "daemons" | "consensus" | "client" | "ready";
  readonly text: string;
}

/** What the network is made of. */
export interface TorNetworkOptions {
  /** @default 3 */
  readonly authorities?: number;
  /** Relays that let nothing out. @default 3 */
  readonly relays?: number;
  /** Zero makes room for somebody else to be the only exit. @default 1 */
  readonly exits?: number;
  /** @default 1 */
  readonly clients?: number;
  /** Whether relays and exits are directory caches. Authorities are. @default true */
  readonly dirCaches?: boolean;
  /** @default interval 20, firstAfter 8, voteDelay 4, distDelay 4, earnedFlags false */
  readonly voting?: Partial<Omit<VotingOptions, "consensusParams">>;
  /** Added to, or in place of, `cc_alg=2 cfx_enabled=1 cfx_low_exit_threshold=0 exit_dns_timeout=3000`. */
  readonly consensusParams?: Readonly<Record<string, number>>;
  /** Every relay is measured alike: paths do not lead through those alone that have carried something. @default false */
  readonly equalBandwidths?: boolean;
  /** What these relays are measured at instead, by nickname, in the same unit as `EQUAL_BANDWIDTH`. Needs `equalBandwidths`. */
  readonly bandwidths?: Readonly<Record<string, number>>;
  /** Lines in front of relays, by nickname: what clients, and Allium's relays, have to come through. @default none */
  readonly lines?: Readonly<Record<string, LineSettings>>;
  /** The policy of the network's exits. @default OPEN_EXIT_POLICY */
  readonly exitPolicy?: ReadonlyArray<string>;
  /** More options, for all daemons or those of one role. */
  readonly extraTorrc?: Partial<Record<TorRole | "all", ReadonlyArray<TorrcLine>>>;
  /** `tor`'s log severity, such as `info` or `[circ]info notice`. @default "notice" */
  readonly logLevel?: string;
  /** For each of: a consensus that lists every relay, each client's bootstrap. @default 90_000 */
  readonly timeoutMs?: number;
  /** Keeps the directory with all logs. @default false, or ALLIUM_KEEP_NETWORK=1 */
  readonly keepDirectory?: boolean;
  readonly onProgress?: (progress: NetworkProgress) => void;
  /**
   * Called when the authorities are known, while the daemons are being started: what it starts has the same chance as they
   * to be in the first consensus. The start goes on when it is done, and fails when it fails.
   */
  readonly beside?: (network: TorNetwork) => Promise<unknown>;
}

/** What to give a daemon that joins later. */
export interface AddNodeOptions {
  /** @default the role and the next number */
  readonly nickname?: string;
  readonly exitPolicy?: ReadonlyArray<string>;
  readonly extraTorrc?: ReadonlyArray<TorrcLine>;
  /** Whether it is told ports at which no authority listens: it knows whom to trust, and cannot ask them. @default false */
  readonly cutOff?: boolean;
  readonly timeoutMs?: number;
}

/** When and how a relay came into the consensus. */
export interface ConsensusEntry {
  readonly status: RouterStatus;
  /** New consensuses seen since the call; 0 when it was listed already. */
  readonly rounds: number;
  readonly seconds: number;
}

/** Milliseconds for one question to the name server, which is a test's process and may be busy; 1000 without the parameter. */
const DNS_MILLIS = 3_000;
/** KiB/s. */
const EQUAL_BANDWIDTH = 1_000;
const DEFAULT_PARAMS = { cc_alg: 2, cfx_enabled: 1, cfx_low_exit_threshold: 0, exit_dns_timeout: DNS_MILLIS };
const DEFAULT_VOTING = { interval: 20, firstAfter: 8, voteDelay: 4, distDelay: 4, earnedFlags: false };

/**
 * A private Tor network of system `tor` daemons on loopback. Disposing it ends every daemon and removes every file; so
 * does the end of the process, whatever its cause.
 *
 * @example
 * await using network = await TorNetwork.start({ exits: 0 });
 * await network.waitForConsensus("allium", { flags: ["Running", "Exit"] });
 */
export class TorNetwork implements AsyncDisposable {
  /** Holds every data directory, torrc and log. */
  readonly directory: string;
  /** For `authorities_file`: the network's torrc lines `DirAuthority ...`. */
  readonly authoritiesFile: string;
  /** Answers what the network's exits look up. `check.test` and `origin.test` (127.0.0.1 and ::1) are set. */
  readonly names: NameServer;
  /** For other servers of the same test. */
  readonly ports: PortPool;
  private readonly options: TorNetworkOptions;
  private readonly everyNode: Array<TorNode> = [];
  private readonly authorityLine: Array<string> = [];
  private readonly slowLines = new Map<string, SlowLine>();
  private readonly resources: AsyncDisposableStack;
  private readonly voting: VotingOptions;
  private votingOffset = 0;
  private readonly startedAt = performance.now();

  private constructor(
    options: TorNetworkOptions,
    resources: AsyncDisposableStack,
    directory: string,
    ports: PortPool,
    names: NameServer,
  ) {
    this.options = options;
    this.resources = resources;
    this.voting = {
      ...DEFAULT_VOTING,
      ...options.voting,
      consensusParams: { ...DEFAULT_PARAMS, ...options.consensusParams },
    };
    this.directory = directory;
    this.authoritiesFile = join(directory, "authorities");
    this.ports = ports;
    this.names = names;
  }

  /**
   * Starts everything and waits until the consensus lists every relay as running and every client has bootstrapped.
   *
   * @throws TorMissingError, ProcessFailedError, WaitTimeoutError
   */
  static async start(options: TorNetworkOptions = {}): Promise<TorNetwork> {
    const resources = new AsyncDisposableStack();
    try {
      const directory = await mkdtemp(join(tmpdir(), "allium-network-"));
      if (options.keepDirectory !== true && process.env["ALLIUM_KEEP_NETWORK"] !== "1") {
        reapDirectory(directory);
        resources.defer(() => {
          rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
          forgetDirectory(directory);
        });
      }
      const ports = resources.use(new PortPool());
      const names = resources.use(await NameServer.start(await ports.take()));
      names.setHost("check.test", "127.0.0.1");
      names.setHost("origin.test", "127.0.0.1", "::1");
      writeFileSync(join(directory, "resolv.conf"), `nameserver 127.0.0.1:${names.port}\n`);

      const network = new TorNetwork(options, resources, directory, ports, names);
      resources.defer(async () => {
        await Promise.all(network.everyNode.map((node) => node.stop()));
      });
      await network.bringUp();
      return network;
    } catch (error) {
      await resources.disposeAsync();
      throw error;
    }
  }

  /** The torrc lines `DirAuthority ...`, one for each authority. */
  get authorityLines(): string {
    return this.authorityLine.map((line) => `DirAuthority ${line}\n`).join("");
  }

  get nodes(): ReadonlyArray<TorNode> {
    return this.everyNode;
  }

  get authorities(): ReadonlyArray<TorNode> {
    return this.everyNode.filter((node) => node.role === "authority");
  }

  /** Relays that are neither authority nor exit. */
  get relays(): ReadonlyArray<TorNode> {
    return this.everyNode.filter((node) => node.role === "relay");
  }

  get exits(): ReadonlyArray<TorNode> {
    return this.everyNode.filter((node) => node.role === "exit");
  }

  get clients(): ReadonlyArray<TorNode> {
    return this.everyNode.filter((node) => node.role === "client");
  }

  /** The daemon of that name. */
  node(nickname: string): TorNode {
    const found = this.everyNode.find((node) => node.nickname === nickname);
    if (found === undefined) throw new TypeError(`no daemon is named ${nickname}`);
    return found;
  }

  /** The line in front of a relay. */
  line(nickname: string): SlowLine {
    const found = this.slowLines.get(nickname);
    if (found === undefined) throw new TypeError(`there is no line in front of ${nickname}`);
    return found;
  }

  /** Starts another relay. It is in the consensus a round or two later: see `waitForConsensus`. */
  async addRelay(options: AddNodeOptions = {}): Promise<TorNode> {
    return await this.add("relay", options);
  }

  /** Starts another exit. */
  async addExit(options: AddNodeOptions = {}): Promise<TorNode> {
    return await this.add("exit", options);
  }

  /** Starts another client and waits until it has bootstrapped. */
  async addClient(options: AddNodeOptions = {}): Promise<TorNode> {
    const client = await this.add("client", options);
    await client.bootstrapped(options.timeoutMs ?? this.timeoutMs, (percent, summary) =>
      this.tell("client", `${client.nickname} ${percent}% ${summary}`),
    );
    return client;
  }

  /**
   * Waits until a consensus lists `nickname` with all of `flags`.
   *
   * @param wanted.at whose consensus: the first authority's, or that of a client, which fetches it later
   * @param wanted.accept a further condition on the entry
   * @throws WaitTimeoutError
   */
  async waitForConsensus(
    nickname: string,
    wanted: {
      readonly flags?: ReadonlyArray<string>;
      readonly at?: TorNode;
      readonly accept?: (status: RouterStatus) => boolean;
      readonly timeoutMs?: number;
    } = {},
  ): Promise<ConsensusEntry> {
    const started = performance.now();
    const flags = wanted.flags ?? ["Running"];
    let rounds = 0;
    const status = await this.eachConsensus(
      wanted.at ?? this.authorities[0]!,
      (statuses, count) => {
        rounds = count;
        return statuses.find(
          (entry) => entry.nickname === nickname && hasFlags(entry, flags) && (wanted.accept?.(entry) ?? true),
        );
      },
      wanted.timeoutMs ?? this.timeoutMs,
      `${nickname} in the consensus with ${flags.join(" ")}`,
    );
    return { status, rounds, seconds: (performance.now() - started) / 1000 };
  }

  /** An origin in this process, ended with the network. */
  async localOrigin(): Promise<Origin> {
    return this.resources.use(await LocalOrigin.start(await this.ports.take()));
  }

  /** An origin in a process of its own, ended with the network. */
  async childOrigin(): Promise<Origin> {
    return this.resources.use(await ChildOrigin.start(await this.ports.take(), join(this.directory, "origin.log")));
  }

  /** Ties something to the network's life: it is disposed first when the network is. */
  use<A extends AsyncDisposable>(resource: A): A {
    return this.resources.use(resource);
  }

  /** Warnings of all daemons, each line with its daemon's name: empty when all went well. */
  warnings(allow: ReadonlyArray<RegExp> = []): ReadonlyArray<string> {
    return this.everyNode.flatMap((node) => node.warnings(allow).map(({ text }) => `${node.nickname}: ${text}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resources.disposeAsync();
  }

  private get timeoutMs(): number {
    return this.options.timeoutMs ?? 90_000;
  }

  private tell(phase: NetworkProgress["phase"], text: string): void {
    this.options.onProgress?.({ seconds: (performance.now() - this.startedAt) / 1000, phase, text });
  }

  private async bringUp(): Promise<void> {
    const { authorities = 3, relays = 3, exits = 1, clients = 1 } = this.options;
    this.tell("keys", `making the keys of ${authorities} authorities`);
    const identities = await Promise.all(
      Array.from({ length: authorities }, (_, index) => this.prepareAuthority(`authority${index}`, index)),
    );
    for (const { line } of identities) this.authorityLine.push(line);
    writeFileSync(this.authoritiesFile, this.authorityLines);

    this.tell("daemons", `starting ${authorities} authorities, ${relays} relays, ${exits} exits`);
    // Rounds fall on multiples of the interval: shifted so that the first comes soon after every relay has published.
    this.votingOffset = Math.ceil(Date.now() / 1000 + this.voting.firstAfter) % this.voting.interval;
    for (const { nickname, orPort, dirPort } of identities)
      await this.create("authority", { nickname }, orPort, dirPort);
    for (let count = 0; count < relays; count++) await this.create("relay", {});
    for (let count = 0; count < exits; count++) await this.create("exit", {});
    // Their fingerprints are not known yet, and the file is looked for.
    this.writeBandwidths([]);
    await Promise.all([this.options.beside?.(this), ...this.everyNode.map((node) => node.start())]);

    this.writeBandwidths(this.everyMeasured);
    await this.firstConsensus();
    await Promise.all(Array.from({ length: clients }, () => this.addClient()));
    this.tell("ready", `${this.everyNode.length} daemons`);
  }

  /** An authority is never measured. */
  private get everyMeasured(): ReadonlyArray<TorNode> {
    return this.options.equalBandwidths === true ? [...this.relays, ...this.exits] : [];
  }

  private bandwidthOf(nickname: string): number {
    return this.options.bandwidths?.[nickname] ?? EQUAL_BANDWIDTH;
  }

  private get bandwidthsFile(): string {
    return join(this.directory, "bandwidths");
  }

  /** What the authorities take for the work of bandwidth scanners (bandwidth-file-spec): they read it for every vote. */
  private writeBandwidths(nodes: ReadonlyArray<TorNode>): void {
    const lines = nodes.map(
      ({ fingerprint, nickname }) => `node_id=$${fingerprint} bw=${this.bandwidthOf(nickname)}\n`,
    );
    const written = `${this.bandwidthsFile}.new`;
    writeFileSync(written, `${Math.floor(Date.now() / 1000)}\n${lines.join("")}`);
    renameSync(written, this.bandwidthsFile);
  }

  /** Waits until every authority has a consensus that lists every relay, and every relay all that is in it. */
  private async firstConsensus(): Promise<void> {
    const expected = new Set(this.everyNode.map((node) => node.nickname));
    const measured = new Set(this.everyMeasured.map((node) => node.nickname));
    const complete = (authority: TorNode): Promise<true> =>
      this.eachConsensus(
        authority,
        (statuses, round) => {
          const running = statuses.filter(
            ({ nickname, flags, bandwidth }) =>
              expected.has(nickname) &&
              flags.has("Running") &&
              (!measured.has(nickname) || bandwidth === this.bandwidthOf(nickname)),
          );
          if (round > 0 && authority === this.authorities[0]) {
            this.tell("consensus", `round ${round}: ${running.length} of ${expected.size} relays running`);
          }
          return running.length === expected.size ? true : undefined;
        },
        this.timeoutMs,
        "a consensus that lists every relay",
      );
    await Promise.all(this.authorities.map(complete));

    // Relays asked in vain until now, at growing intervals: a reload makes them ask again at once. A client that asked one
    // of them for a descriptor too early would ask again only after 10 s.
    const others = this.everyNode.filter((node) => node.role !== "authority");
    await Promise.all(others.map((node) => node.control.signal("RELOAD")));
    const fingerprints = this.everyNode.map((node) => node.fingerprint);
    await Promise.all(this.everyNode.map((node) => node.hasDescriptors(fingerprints, this.timeoutMs)));
    this.tell("consensus", "every relay has every descriptor");
  }

  /** The authorities' lines, with ports that were taken and that nobody listens on. */
  private async unreachableLines(): Promise<ReadonlyArray<string>> {
    const lines: Array<string> = [];
    for (const line of this.authorityLine) {
      const [orPort, dirPort] = [await this.ports.take(), await this.ports.take()];
      lines.push(line.replace(/orport=\d+/, `orport=${orPort}`).replace(/ 127\.0\.0\.1:\d+/, ` 127.0.0.1:${dirPort}`));
    }
    return lines;
  }

  private async prepareAuthority(
    nickname: string,
    index: number,
  ): Promise<{ readonly nickname: string; readonly orPort: number; readonly dirPort: number; readonly line: string }> {
    const orPort = await this.ports.take();
    const dirPort = await this.ports.take();
    const dataDirectory = join(this.directory, nickname);
    const [keys, fingerprint] = await Promise.all([
      authorityKeys(index),
      makeRelayIdentity(nickname, dataDirectory, orPort),
    ]);
    installAuthorityKeys(keys, dataDirectory);
    const line = `${nickname} orport=${orPort} no-v2 v3ident=${keys.v3ident} 127.0.0.1:${dirPort} ${fingerprint}`;
    return { nickname, orPort, dirPort, line };
  }

  private async add(role: TorRole, options: AddNodeOptions): Promise<TorNode> {
    const node = await this.create(role, options);
    await node.start();
    return node;
  }

  private async create(role: TorRole, options: AddNodeOptions, orPort?: number, dirPort?: number): Promise<TorNode> {
    const { extraTorrc, logLevel, exitPolicy } = this.options;
    const isClient = role === "client";
    const controlPort = await this.ports.take();
    const ownOrPort = isClient ? 0 : (orPort ?? (await this.ports.take()));
    const ownDirPort = isClient ? 0 : (dirPort ?? (await this.ports.take()));
    const socksPort = isClient ? await this.ports.take() : 0;
    const innerPort = this.options.lines === undefined ? 0 : await this.ports.take();
    const authorities = options.cutOff === true ? await this.unreachableLines() : this.authorityLine;
    // From here on without a pause: daemons that are made at the same time must not get the same number.
    const number = this.everyNode.filter((node) => node.role === role).length;
    const nickname = options.nickname ?? `${role}${number}`;
    const measured: ReadonlyArray<TorrcLine> =
      role === "authority" && this.options.equalBandwidths === true ? [["V3BandwidthsFile", this.bandwidthsFile]] : [];
    const settings = this.options.lines?.[nickname];
    const backbone: ReadonlyArray<TorrcLine> =
      isClient || this.options.lines === undefined ? [] : [["OutboundBindAddressOR", BACKBONE]];
    const input: TorrcInput = {
      role,
      nickname,
      dataDirectory: join(this.directory, nickname),
      controlPort,
      orPort: ownOrPort,
      ...(settings === undefined ? {} : { listenPort: innerPort }),
      dirPort: ownDirPort,
      socksPort,
      logLevel: logLevel ?? "notice",
      authorities,
      voting: this.voting,
      votingOffset: this.votingOffset,
      dirCache: this.options.dirCaches ?? true,
      exitPolicy: options.exitPolicy ?? exitPolicy ?? OPEN_EXIT_POLICY,
      resolvConf: join(this.directory, "resolv.conf"),
      extra: [
        ...measured,
        ...backbone,
        ...(extraTorrc?.all ?? []),
        ...(extraTorrc?.[role] ?? []),
        ...(options.extraTorrc ?? []),
      ],
    };
    const node = new TorNode(input);
    this.everyNode.push(node);
    if (settings !== undefined) {
      const logFile = join(this.directory, `line-${nickname}.log`);
      const line = await SlowLine.start(ownOrPort, innerPort, settings, logFile);
      this.resources.use(line);
      this.slowLines.set(nickname, line);
    }
    return node;
  }

  /** Gives `choose` the consensus that there is, and every one that follows, until it answers. */
  private async eachConsensus<A>(
    node: TorNode,
    choose: (statuses: ReadonlyArray<RouterStatus>, round: number) => A | undefined,
    timeoutMs: number,
    what: string,
  ): Promise<A> {
    await using events = await node.control.events("NEWCONSENSUS");
    const already = choose(await node.routerStatuses(), 0);
    if (already !== undefined) return already;
    let round = 0;
    return await events.until((event) => choose(parseRouterStatuses(event.data ?? ""), ++round), timeoutMs, what);
  }
}
