import { createHash, X509Certificate } from "node:crypto";
import { Signal } from "@allium/kernel";
import { Clock, Duration, Effect, Layer, type Scope } from "effect";
import { MemoryConnection } from "./memory-connection.ts";
import { type Line, MemoryLine, Pipe } from "./memory-pipe.ts";
import { Timeline } from "./memory-timeline.ts";
import {
  type Connection,
  type ConnectOptions,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_READ_BUFFER_BYTES,
  type Endpoint,
  formatEndpoint,
  type ListenOptions,
  Transport,
  TransportError,
} from "./transport.ts";

export type { Line } from "./memory-pipe.ts";

/**
 * A network in memory: hosts are addresses, lines have latency and bandwidth, and all time is the `Clock`'s, so that a whole
 * network runs under `TestClock`, the same every time. Each host's view of it is a `Transport` layer.
 */
export interface MemoryNetwork {
  /** The transport of the host with this address. */
  readonly host: (address: string) => Layer.Layer<Transport>;
  /** Sets the line from one host to another (one way) for bytes that leave from now on. */
  readonly setLine: (from: string, to: string, line: Partial<Line>) => void;
  /** Breaks every open connection between the two hosts, as a reset. Returns how many there were. */
  readonly cut: (one: string, other: string) => number;
  /** While stalled, nothing leaves from one host for the other, and no connection between them is opened. */
  readonly stall: (from: string, to: string, stalled: boolean) => void;
  /** Connections that have not been closed by both ends (each counted once). */
  readonly connections: () => number;
}

interface Listening extends ListenOptions {
  digest: Buffer | undefined;
  open: number;
}

/** A connection's two ends. */
interface Opened {
  readonly ends: ReadonlyArray<MemoryConnection>;
  /** Ends that are not closed yet. */
  left: number;
}

/** Makes a network whose lines are `defaults` until set otherwise. When the scope closes, all its connections break. */
export const make = (defaults: Partial<Line> = {}): Effect.Effect<MemoryNetwork, never, Scope.Scope> =>
  Effect.gen(function* () {
    const timeline = new Timeline(yield* Clock.Clock);
    const network = new Network(timeline, defaults);
    yield* Effect.addFinalizer(() => Effect.sync(() => network.close()));
    yield* Effect.forkScoped(timeline.drive);
    return network;
  });

class Network implements MemoryNetwork {
  private readonly timeline: Timeline;
  private readonly defaults: Partial<Line>;
  private readonly lines = new Map<string, MemoryLine>();
  private readonly listeners = new Map<string, Listening>();
  private readonly opened = new Set<Opened>();
  private nextPort = FIRST_EPHEMERAL_PORT;
  private sessions = 0;

  constructor(timeline: Timeline, defaults: Partial<Line>) {
    this.timeline = timeline;
    this.defaults = defaults;
  }

  host(address: string): Layer.Layer<Transport> {
    return Layer.succeed(
      Transport,
      Transport.of({
        connect: (endpoint, options) => this.connect(options.localAddress ?? address, endpoint, options),
        listen: (endpoint, options) => this.listen(endpoint, options),
      }),
    );
  }

  setLine(from: string, to: string, line: Partial<Line>): void {
    this.line(from, to).set(line);
  }

  stall(from: string, to: string, stalled: boolean): void {
    this.line(from, to).stall(stalled);
  }

  cut(one: string, other: string): number {
    let count = 0;
    for (const opened of [...this.opened]) {
      const hosts = opened.ends.map((end) => end.local.host);
      if (!hosts.includes(one) || !hosts.includes(other)) continue;
      count++;
      for (const end of opened.ends) end.closed("ECONNRESET");
    }
    return count;
  }

  connections(): number {
    return this.opened.size;
  }

  close(): void {
    this.listeners.clear();
    for (const { ends } of [...this.opened]) for (const end of ends) end.closed("ECONNRESET");
  }

  private line(from: string, to: string): MemoryLine {
    const key = `${from} ${to}`;
    const known = this.lines.get(key);
    if (known !== undefined) return known;
    const line = new MemoryLine(this.defaults);
    this.lines.set(key, line);
    return line;
  }

  private connect(host: string, remote: Endpoint, options: ConnectOptions): Effect.Effect<Connection, TransportError> {
    const there = this.line(host, remote.host);
    const back = this.line(remote.host, host);
    // One round trip for TCP, one more for TLS 1.3.
    const trips = options.tls ? 2 : 1;
    return Effect.gen({ self: this }, function* () {
      while (there.stalled || back.stalled) yield* unstalled(there.stalled ? there : back);
      yield* Effect.sleep(Duration.millis((there.latencyMillis + back.latencyMillis) * trips));
      return yield* Effect.suspend(() => this.establish(host, remote, options));
    });
  }

  /** The other side has heard of the attempt: both ends are made in one step, so that an interruption leaves none alone. */
  private establish(
    host: string,
    remote: Endpoint,
    options: ConnectOptions,
  ): Effect.Effect<Connection, TransportError> {
    const local: Endpoint = { host, port: this.nextPort++ };
    const listener = this.listeners.get(formatEndpoint(remote));
    const refuse = (kind: TransportError["kind"], code: string) =>
      Effect.fail(new TransportError({ kind, code, endpoint: remote }));
    if (listener === undefined) return refuse("refused", "ECONNREFUSED");
    if (listener.open >= (listener.maxConnections ?? DEFAULT_MAX_CONNECTIONS) || listener.admit?.(local) === false) {
      return refuse("reset", "ECONNRESET");
    }
    if (options.tls !== (listener.digest !== undefined)) {
      listener.onFailed?.(local, "failed");
      return refuse("tls", "ERR_SSL_WRONG_VERSION_NUMBER");
    }
    const session = `session ${this.sessions++} from ${formatEndpoint(local)} to ${formatEndpoint(remote)}`;
    const secret = options.tls ? createHash("sha256").update(session).digest() : undefined;
    const outgoing = new Pipe(this.line(host, remote.host), this.timeline);
    const incoming = new Pipe(this.line(remote.host, host), this.timeline);
    const onClosed = () => {
      if (--opened.left === 0) this.opened.delete(opened);
    };
    const mine = new MemoryConnection({
      local,
      remote,
      outgoing,
      incoming,
      limit: options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES,
      session: { secret, peer: listener.digest, own: undefined },
      onClosed,
    });
    const theirs = new MemoryConnection({
      local: remote,
      remote: local,
      outgoing: incoming,
      incoming: outgoing,
      limit: listener.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES,
      session: { secret, peer: undefined, own: listener.digest },
      onClosed: () => {
        listener.open--;
        onClosed();
      },
    });
    const opened: Opened = { ends: [mine, theirs], left: 2 };
    this.opened.add(opened);
    listener.open++;
    listener.onConnection(theirs);
    return Effect.succeed(mine);
  }

  private listen(wanted: Endpoint, options: ListenOptions) {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const endpoint = { host: wanted.host, port: wanted.port === 0 ? this.nextPort++ : wanted.port };
        const key = formatEndpoint(endpoint);
        if (this.listeners.has(key)) {
          return Effect.fail(new TransportError({ kind: "addressInUse", code: "EADDRINUSE", endpoint }));
        }
        const listening: Listening = {
          ...options,
          digest: options.tls && certificateDigest(options.tls.certificatePem),
          open: 0,
        };
        this.listeners.set(key, listening);
        return Effect.succeed({ endpoint, key, listening });
      }),
      ({ key }) => Effect.sync(() => this.listeners.delete(key)),
    ).pipe(
      Effect.map(({ endpoint, listening }) => ({
        endpoint,
        setIdentity: (identity: { readonly certificatePem: string }) => {
          listening.digest = certificateDigest(identity.certificatePem);
        },
      })),
    );
  }
}

const unstalled = (line: MemoryLine): Effect.Effect<void> =>
  Effect.suspend(() => {
    const signal = Signal.make();
    const wake = (): void => signal.notify();
    line.waiting.add(wake);
    return Effect.ensuring(
      signal.wait,
      Effect.sync(() => line.waiting.delete(wake)),
    );
  });

const certificateDigest = (pem: string): Buffer => createHash("sha256").update(new X509Certificate(pem).raw).digest();

/** Ephemeral ports begin here, as on Linux. */
const FIRST_EPHEMERAL_PORT = 32768;
