import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type ControlEvent, type ControlMessage, ControlParser, parseEvent } from "./control-protocol.ts";
import { EventStream } from "./event-stream.ts";
import { eventually, withTimeout } from "./wait.ts";

/** The daemon refused a command: its status code and text. */
export class ControlError extends Error {
  readonly _tag = "ControlError";
  readonly command: string;
  readonly code: number;
  readonly text: string;

  constructor(command: string, code: number, text: string) {
    super(`${command}: ${code} ${text}`);
    this.command = command;
    this.code = code;
    this.text = text;
  }
}

/** The control connection ended while something was waited for. */
export class ControlClosedError extends Error {
  readonly _tag = "ControlClosedError";
}

/** A circuit failed or was closed before it was built: the reasons of control-spec section 4.1.1. */
export class CircuitFailedError extends Error {
  readonly _tag = "CircuitFailedError";
  readonly circuitId: string;
  readonly reason: string;
  readonly remoteReason: string | undefined;

  constructor(circuitId: string, reason: string, remoteReason: string | undefined) {
    super(`circuit ${circuitId} failed: ${reason}${remoteReason === undefined ? "" : ` (${remoteReason})`}`);
    this.circuitId = circuitId;
    this.reason = reason;
    this.remoteReason = remoteReason;
  }
}

interface Waiting {
  readonly command: string;
  readonly resolve: (message: ControlMessage) => void;
  readonly reject: (error: Error) => void;
}

/** A client of a `tor` daemon's control port, authenticated by its cookie. */
export class TorControl implements AsyncDisposable {
  private readonly socket: Socket;
  private readonly parser = new ControlParser();
  private readonly waiting: Array<Waiting> = [];
  private readonly subscribers = new Map<EventStream<ControlEvent>, ReadonlySet<string>>();
  private closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.setNoDelay(true);
    socket.on("data", (chunk: string) => this.receive(chunk));
    socket.on("error", () => {});
    socket.on("close", () => this.close());
  }

  /** Connects and authenticates. Rejects with the socket's error, ControlError or ControlClosedError. */
  static async connect(port: number, cookieFile: string): Promise<TorControl> {
    const socket = connect({ port, host: "127.0.0.1" });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const control = new TorControl(socket);
    await control.send(`AUTHENTICATE ${readFileSync(cookieFile).toString("hex")}`);
    return control;
  }

  /**
   * Sends one command and gives its reply.
   *
   * @throws ControlError for a status that is not 2xx, ControlClosedError
   */
  async send(command: string): Promise<ControlMessage> {
    if (this.closed) throw new ControlClosedError(`control connection closed before ${command}`);
    const reply = await new Promise<ControlMessage>((resolve, reject) => {
      this.waiting.push({ command, resolve, reject });
      this.socket.write(`${command}\r\n`);
    });
    if (reply.code < 200 || reply.code > 299) {
      throw new ControlError(command, reply.code, reply.lines.map((line) => line.text).join("; "));
    }
    return reply;
  }

  /** The value of one GETINFO key, a data block included. */
  async getInfo(key: string): Promise<string> {
    const reply = await this.send(`GETINFO ${key}`);
    for (const line of reply.lines) {
      if (line.text.startsWith(`${key}=`)) return line.data ?? line.text.slice(key.length + 1);
    }
    throw new ControlError(`GETINFO ${key}`, reply.code, "no such key in the reply");
  }

  /** SETCONF; `undefined` puts an option back to its default. */
  async setConf(options: Readonly<Record<string, string | number | undefined>>): Promise<void> {
    const parts = Object.entries(options).map(([name, value]) =>
      value === undefined ? name : `${name}="${String(value).replace(/["\\]/g, "\\$&")}"`,
    );
    await this.send(`SETCONF ${parts.join(" ")}`);
  }

  /** SIGNAL, such as `NEWNYM` (fresh circuits for new streams) or `CLEARDNSCACHE`. */
  async signal(name: string): Promise<void> {
    await this.send(`SIGNAL ${name}`);
  }

  /**
   * Every event of these types from now on. End it (or leave the `for await`, or dispose it) to stop listening.
   *
   * @example
   * await using events = await control.events("CIRC", "STREAM");
   * for await (const event of events) if (event.words[1] === "CLOSED") break;
   */
  async events(...types: ReadonlyArray<string>): Promise<EventStream<ControlEvent>> {
    const stream = new EventStream<ControlEvent>(() => {
      this.subscribers.delete(stream);
      if (!this.closed) this.updateSubscription().catch(() => {});
    });
    this.subscribers.set(stream, new Set(types));
    await this.updateSubscription();
    return stream;
  }

  /** Asks for a circuit over exactly these relays (fingerprints or nicknames) and gives its id at once. */
  async extendCircuit(path: ReadonlyArray<string>, circuitId = "0"): Promise<string> {
    const route = path.map((hop) => (/^[0-9A-F]{40}$/i.test(hop) ? `$${hop}` : hop)).join(",");
    const reply = await this.send(`EXTENDCIRCUIT ${circuitId} ${route}`);
    return reply.lines[0]!.text.split(" ")[1]!;
  }

  /**
   * Builds a circuit over exactly these relays and waits until it is there. A relay that the daemon has in its consensus and not
   * yet the descriptor of is waited for: a client says that it has bootstrapped when it has most of them.
   *
   * @throws ControlError for a relay that it does not know, CircuitFailedError, WaitTimeoutError
   */
  async buildCircuit(path: ReadonlyArray<string>, timeoutMs = 60_000): Promise<string> {
    await using events = await this.events("CIRC");
    const extend = async (): Promise<string | undefined> => {
      try {
        return await this.extendCircuit(path);
      } catch (error) {
        if (error instanceof ControlError && error.text.startsWith("No descriptor for")) return undefined;
        throw error;
      }
    };
    const circuitId = await eventually(`descriptors of ${path.join()}`, extend, { timeoutMs, everyMs: 50 });
    return await events.until(builtOrFailed(circuitId), timeoutMs, `circuit ${circuitId}`);
  }

  /** Lets a stream that was left unattached use a circuit, leaving it at `hop` (1 is the first) if that is given. */
  async attachStream(streamId: string, circuitId: string, hop?: number): Promise<void> {
    await this.send(`ATTACHSTREAM ${streamId} ${circuitId}${hop === undefined ? "" : ` HOP=${hop}`}`);
  }

  async closeCircuit(circuitId: string): Promise<void> {
    await this.send(`CLOSECIRCUIT ${circuitId}`);
  }

  /** Closes a stream with the END reason of that number (6 is DONE). */
  async closeStream(streamId: string, reason = 6): Promise<void> {
    await this.send(`CLOSESTREAM ${streamId} ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    this.close();
  }

  private async updateSubscription(): Promise<void> {
    const types = new Set([...this.subscribers.values()].flatMap((set) => [...set]));
    await withTimeout(this.send(`SETEVENTS ${[...types].join(" ")}`.trimEnd()), 30_000, "SETEVENTS");
  }

  private receive(chunk: string): void {
    for (const message of this.parser.push(chunk)) {
      if (message.code !== 650) {
        this.waiting.shift()?.resolve(message);
        continue;
      }
      const event = parseEvent(message);
      for (const [stream, types] of this.subscribers) if (types.has(event.type)) stream.push(event);
    }
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const { command, reject } of this.waiting.splice(0)) {
      reject(new ControlClosedError(`control connection closed during ${command.split(" ")[0]}`));
    }
    for (const stream of [...this.subscribers.keys()]) stream.end();
  }
}

/** For `EventStream.until` on CIRC events: the id once the circuit is built. */
export const builtOrFailed =
  (circuitId: string) =>
  (event: ControlEvent): string | undefined => {
    if (event.words[0] !== circuitId) return undefined;
    if (event.words[1] === "BUILT") return circuitId;
    if (event.words[1] !== "FAILED" && event.words[1] !== "CLOSED") return undefined;
    throw new CircuitFailedError(circuitId, event.fields["REASON"] ?? "UNKNOWN", event.fields["REMOTE_REASON"]);
  };
