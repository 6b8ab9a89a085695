import { readFileSync, statSync, writeFileSync } from "node:fs";
import { requireProgram } from "../../network/availability.ts";
import { eventually, ManagedProcess, PortPool, scanLog } from "../../network/index.ts";

/** A `tor` relay by itself: the only authority that it knows does not answer. */
export class LoneTor implements AsyncDisposable {
  private readonly process: ManagedProcess;
  private readonly ports: PortPool;
  /** Bytes of the log that are of those who had the data directory before. */
  private readonly logFrom: number;

  private constructor(process: ManagedProcess, ports: PortPool, logFrom: number) {
    this.process = process;
    this.ports = ports;
    this.logFrom = logFrom;
  }

  /**
   * Starts it on a data directory, and waits until it listens and has said who it is.
   *
   * @param options more of the torrc
   */
  static async start(dataDirectory: string, options: Readonly<Record<string, string>> = {}): Promise<LoneTor> {
    const ports = new PortPool();
    const [orPort, nobody] = [await ports.take(), await ports.take()];
    const torrc = {
      DataDirectory: dataDirectory,
      Nickname: "Zwiebel",
      ContactInfo: "nobody",
      Address: "127.0.0.1",
      ORPort: `127.0.0.1:${orPort}`,
      SocksPort: "0",
      ExitRelay: "0",
      AssumeReachable: "1",
      TestingTorNetwork: "1",
      DirAuthority: `nobody orport=${nobody} v3ident=${"1".repeat(40)} 127.0.0.1:${nobody} ${"A".repeat(40)}`,
      Log: "notice stdout",
      ...options,
    };
    const torrcFile = `${dataDirectory}.torrc`;
    writeFileSync(
      torrcFile,
      Object.entries(torrc)
        .map(([name, value]) => `${name} ${value}\n`)
        .join(""),
    );
    const logFile = `${dataDirectory}.log`;
    const logFrom = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    const process = await ManagedProcess.start({
      name: "tor",
      command: requireProgram("tor"),
      args: ["-f", torrcFile, "--defaults-torrc", "/dev/null"],
      logFile,
    });
    const started = new LoneTor(process, ports, logFrom);
    try {
      const isThere = (): boolean =>
        started.log().includes("Opened OR listener") && !started.identities().includes(undefined);
      await process.whileRunning(eventually("tor to listen", isThere));
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All that it has said. */
  log(): string {
    return readFileSync(this.process.logFile).toString("utf8", this.logFrom);
  }

  /** Who it says that it is: the RSA fingerprint, and the Ed25519 identity. */
  identities(): ReadonlyArray<string | undefined> {
    const log = this.log();
    const last = (pattern: RegExp): string | undefined => [...log.matchAll(pattern)].at(-1)?.[1];
    return [
      last(/identity key fingerprint is 'Zwiebel ([0-9A-F]{40})'/g),
      last(/identity key ed25519 fingerprint is 'Zwiebel ([A-Za-z0-9+/]{43})'/g),
    ];
  }

  /** What it warned of, but for what is so with every private network. */
  warnings(): ReadonlyArray<string> {
    return scanLog(this.process.logFile).map(({ text }) => text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop();
    await this.ports[Symbol.asyncDispose]();
  }
}
