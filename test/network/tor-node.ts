import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireProgram } from "./availability.ts";
import { parseRouterStatuses, type RouterStatus } from "./consensus.ts";
import { ControlError, TorControl } from "./control.ts";
import { WaitTimeoutError } from "./errors.ts";
import { AUTHORITY_WARNINGS, type LogFinding, scanLog } from "./log-scan.ts";
import { ManagedProcess } from "./managed-process.ts";
import type { SocksProxy } from "./socks.ts";
import { renderTorrc, type TorRole, type TorrcInput } from "./torrc.ts";
import { eventually, pause } from "./wait.ts";

/** One `tor` daemon of a private network. */
export class TorNode implements AsyncDisposable {
  readonly nickname: string;
  readonly role: TorRole;
  readonly orPort: number;
  readonly dirPort: number;
  readonly controlPort: number;
  readonly socksPort: number;
  readonly dataDirectory: string;
  readonly logFile: string;
  private readonly torrcFile: string;
  private process: ManagedProcess | undefined;
  private connection: TorControl | undefined;
  private identity: string | undefined;

  /** Writes the torrc; starts nothing. */
  constructor(input: TorrcInput) {
    this.nickname = input.nickname;
    this.role = input.role;
    this.orPort = input.orPort;
    this.dirPort = input.dirPort;
    this.controlPort = input.controlPort;
    this.socksPort = input.socksPort;
    this.dataDirectory = input.dataDirectory;
    this.logFile = `${input.dataDirectory}.log`;
    this.torrcFile = `${input.dataDirectory}.torrc`;
    mkdirSync(this.dataDirectory, { recursive: true, mode: 0o700 });
    writeFileSync(this.torrcFile, renderTorrc(input));
  }

  /** Starts the daemon, or starts it again, and waits for its control port. @throws ProcessFailedError, TorMissingError */
  async start(timeoutMs = 60_000): Promise<void> {
    // That of an earlier run would be taken for this one's, and be wrong.
    rmSync(this.cookieFile, { force: true });
    const daemon = await ManagedProcess.start({
      name: `tor ${this.nickname}`,
      command: requireProgram("tor"),
      args: ["-f", this.torrcFile, "--defaults-torrc", "/dev/null"],
      logFile: this.logFile,
    });
    this.process = daemon;
    try {
      this.connection = await daemon.whileRunning(this.connectControl(timeoutMs));
      if (this.role !== "client") this.identity = await this.connection.getInfo("fingerprint");
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** The RSA identity in upper-case hex. Clients have none. */
  get fingerprint(): string {
    if (this.identity === undefined) throw new TypeError(`${this.nickname} has no fingerprint`);
    return this.identity;
  }

  get pid(): number {
    return this.daemon.pid;
  }

  get running(): boolean {
    return this.process?.running === true;
  }

  /** The control connection that lives as long as the daemon. Events may be taken from it by many at once. */
  get control(): TorControl {
    if (this.connection === undefined) throw new TypeError(`${this.nickname} is not running`);
    return this.connection;
  }

  /** For the SOCKS functions. Credentials of your own keep your streams on circuits of their own. */
  socks(isolation?: string): SocksProxy {
    return {
      port: this.socksPort,
      ...(isolation === undefined ? {} : { isolation: { user: isolation, password: "isolation" } }),
    };
  }

  /** Waits until the daemon says that it can build circuits. @throws WaitTimeoutError, ProcessFailedError */
  async bootstrapped(
    timeoutMs = 60_000,
    onProgress: (percent: number, summary: string) => void = () => {},
  ): Promise<void> {
    const control = this.control;
    await using events = await control.events("STATUS_CLIENT");
    const progress = (fields: Readonly<Record<string, string>>): true | undefined => {
      const percent = Number(fields["PROGRESS"]);
      onProgress(percent, fields["SUMMARY"] ?? "");
      return percent === 100 ? true : undefined;
    };
    const phase = await control.getInfo("status/bootstrap-phase");
    const now = Number(/PROGRESS=(\d+)/.exec(phase)?.[1] ?? 0);
    if (now === 100) return;
    await this.daemon.whileRunning(
      events.until(
        (event) => (event.words[1] === "BOOTSTRAP" ? progress(event.fields) : undefined),
        timeoutMs,
        `${this.nickname} to bootstrap`,
      ),
    );
  }

  /** Waits until the daemon has the microdescriptors of all these relays, given by fingerprint: so long for each. @throws WaitTimeoutError */
  async hasDescriptors(fingerprints: ReadonlyArray<string>, timeoutMs = 60_000): Promise<void> {
    for (const fingerprint of fingerprints) {
      const what = `${this.nickname} to have the descriptor of ${fingerprint}`;
      await eventually(what, () => this.knows(`md/id/${fingerprint}`), { timeoutMs, everyMs: 50 });
    }
  }

  /**
   * Waits until a relay has a descriptor of its own, which takes a second after it was started. Until then an exit says that its policy forbids
   * whatever it is asked for (`router_compare_to_my_exit_policy`). @throws WaitTimeoutError
   */
  async hasOwnDescriptor(timeoutMs = 30_000): Promise<void> {
    const what = `${this.nickname} to have a descriptor of its own`;
    await eventually(what, () => this.knows("exit-policy/full"), { timeoutMs, everyMs: 50 });
  }

  /** How this daemon's consensus lists a relay; undefined when it does not, or has none yet. */
  async routerStatus(nickname: string): Promise<RouterStatus | undefined> {
    // Not `ns/name/...`: tor's log warns of names.
    return (await this.routerStatuses()).find((status) => status.nickname === nickname);
  }

  /** Every relay of this daemon's consensus. */
  async routerStatuses(): Promise<ReadonlyArray<RouterStatus>> {
    return parseRouterStatuses(await this.control.getInfo("ns/all"));
  }

  /** Warnings and errors in its log so far, without those that every private network gives. */
  warnings(allow: ReadonlyArray<RegExp> = []): ReadonlyArray<LogFinding> {
    return scanLog(this.logFile, this.role === "authority" ? [...AUTHORITY_WARNINGS, ...allow] : allow);
  }

  /** Ends it without a farewell, as a crash would. Returns when it is gone. */
  async kill(): Promise<void> {
    this.daemon.signal("SIGKILL");
    await this.daemon.exited;
    await this.connection?.[Symbol.asyncDispose]();
    this.connection = undefined;
  }

  async stop(): Promise<void> {
    await this.connection?.[Symbol.asyncDispose]();
    this.connection = undefined;
    await this.process?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async knows(what: string): Promise<boolean> {
    try {
      await this.control.getInfo(what);
      return true;
    } catch (error) {
      if (error instanceof ControlError) return false;
      throw error;
    }
  }

  private get cookieFile(): string {
    return join(this.dataDirectory, "control_auth_cookie");
  }

  private get daemon(): ManagedProcess {
    if (this.process === undefined) throw new TypeError(`${this.nickname} was never started`);
    return this.process;
  }

  private async connectControl(timeoutMs: number): Promise<TorControl> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        return await TorControl.connect(this.controlPort, this.cookieFile);
      } catch (error) {
        if (performance.now() > deadline) {
          throw new WaitTimeoutError(`the control port of ${this.nickname}`, timeoutMs, String(error));
        }
        await pause(25);
      }
    }
  }
}
