import { createHash, createHmac, X509Certificate } from "node:crypto";
import { Signal } from "@allium/kernel";
import { Clock, Duration, Effect, Layer, type Scope } from "effect";
import {
  type Connection,
  DEFAULT_READ_BUFFER_BYTES,
  type Endpoint,
  formatEndpoint,
  type ListenOptions,
  type TlsBinding,
  Transport,
  TransportError,
} from "./transport.ts";

/** The line between two hosts, one way. */
export interface Line {
  /** Time from the last byte leaving to its arrival. */
  readonly latency: Duration.Input;
  /** Bytes per second; `Infinity` sends at once. */
  readonly bandwidth: number;
}

/**
 * A network in memory: hosts are names, lines have latency and bandwidth, and all time is the `Clock`'s, so that a whole
 * network runs under `TestClock`, the same every time. Each host's view of it is a `Transport` layer.
 */
export interface MemoryNetwork {
  /** The transport of the host with this address. */
  readonly host: (address: string) => Layer.Layer<Transport>;
  /** Sets the line from one host to another (one way) for bytes written from now on. */
  readonly setLine: (from: string, to: string, line: Partial<Line>) => void;
  /** Breaks every open connection between the two hosts, as a reset. Returns how many there were. */
  readonly cut: (one: string, other: string) => number;
  /** While stalled, bytes written from one host to the other wait. */
  readonly stall: (from: string, to: string, stalled: boolean) => void;
  /** Connections open now (each counted once). */
  readonly connections: () => number;
}

/** Makes a network whose lines are `defaults` until set otherwise; it ends with the scope. */
export const make = (defaults: Partial<Line> = {}): Effect.Effect<MemoryNetwork, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope;
    const listeners = new Map<string, ListenOptions & { digest: Buffer | undefined }>();
    const links = new Set<readonly [Pipe, Pipe]>();
    const lines = new Map<string, MutableLine>();
    let nextPort = FIRST_EPHEMERAL_PORT;
    let sessions = 0;

    const lineBetween = (from: string, to: string): MutableLine => {
      const key = `${from} ${to}`;
      const known = lines.get(key);
      if (known !== undefined) return known;
      const line = new MutableLine(defaults);
      lines.set(key, line);
      return line;
    };

    const connectFrom = (address: string) =>
      Effect.fnUntraced(function* (remote: Endpoint, options: Parameters<Transport["Service"]["connect"]>[1]) {
        const local: Endpoint = { host: options.localAddress ?? address, port: nextPort++ };
        const there = lineBetween(local.host, remote.host);
        const back = lineBetween(remote.host, local.host);
        // One round trip for TCP, one more for TLS 1.3.
        const trips = options.tls ? 2 : 1;
        yield* Effect.sleep(Duration.millis((there.latencyMillis + back.latencyMillis) * trips));
        const listener = listeners.get(formatEndpoint(remote));
        if (listener === undefined) {
          return yield* new TransportError({ kind: "refused", code: "ECONNREFUSED", endpoint: remote });
        }
        if (options.tls !== (listener.digest !== undefined)) {
          return yield* new TransportError({ kind: "tls", code: "ERR_SSL_WRONG_VERSION_NUMBER", endpoint: remote });
        }
        const secret = createHash("sha256").update(`session ${sessions++}`).digest();
        const outgoing = new Pipe(there);
        const incoming = new Pipe(back);
        const mine = new MemoryConnection(local, remote, outgoing, incoming, options.readBufferBytes, {
          secret: options.tls ? secret : undefined,
          peer: listener.digest,
          own: undefined,
        });
        const theirs = new MemoryConnection(remote, local, incoming, outgoing, listener.readBufferBytes, {
          secret: options.tls ? secret : undefined,
          peer: undefined,
          own: listener.digest,
        });
        outgoing.source = mine;
        outgoing.target = theirs;
        incoming.source = theirs;
        incoming.target = mine;
        const link = [outgoing, incoming] as const;
        links.add(link);
        yield* Effect.all([outgoing.run, incoming.run], { concurrency: 2, discard: true }).pipe(
          Effect.ensuring(Effect.sync(() => links.delete(link))),
          Effect.forkIn(scope),
        );
        listener.onConnection(theirs);
        return mine as Connection;
      });

    const listen: Transport["Service"]["listen"] = (wanted, options) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const endpoint = { host: wanted.host, port: wanted.port === 0 ? nextPort++ : wanted.port };
          const key = formatEndpoint(endpoint);
          if (listeners.has(key)) {
            return Effect.fail(new TransportError({ kind: "addressInUse", code: "EADDRINUSE", endpoint }));
          }
          const entry = { ...options, digest: options.tls && certificateDigest(options.tls.certificatePem) };
          listeners.set(key, entry);
          return Effect.succeed({ endpoint, key, entry });
        }),
        ({ key }) => Effect.sync(() => listeners.delete(key)),
      ).pipe(
        Effect.map(({ endpoint, entry }) => ({
          endpoint,
          setIdentity: (identity) => {
            entry.digest = certificateDigest(identity.certificatePem);
          },
        })),
      );

    return {
      host: (address) => Layer.succeed(Transport, Transport.of({ connect: connectFrom(address), listen })),
      setLine: (from, to, line) => lineBetween(from, to).set(line),
      stall: (from, to, stalled) => lineBetween(from, to).stall(stalled),
      cut: (one, other) => {
        let count = 0;
        for (const [there, back] of links) {
          const ends = [there.target?.remote.host, there.target?.local.host];
          if (!ends.includes(one) || !ends.includes(other)) continue;
          count++;
          there.break("ECONNRESET");
          back.break("ECONNRESET");
        }
        return count;
      },
      connections: () => links.size,
    };
  });

class MutableLine {
  latencyMillis = 0;
  bandwidth = Number.POSITIVE_INFINITY;
  stalled = false;
  /** Pipes that wait for the stall to end. */
  readonly waiting = new Set<Signal>();

  constructor(line: Partial<Line>) {
    this.set(line);
  }

  set(line: Partial<Line>): void {
    if (line.latency !== undefined) this.latencyMillis = Duration.toMillis(Duration.fromInputUnsafe(line.latency));
    if (line.bandwidth !== undefined) this.bandwidth = line.bandwidth;
  }

  stall(stalled: boolean): void {
    this.stalled = stalled;
    for (const signal of this.waiting) signal.notify();
  }
}

/** One direction of a connection: bytes leave at the line's rate and arrive after its latency. */
class Pipe {
  /** The end that writes into this pipe. */
  source: MemoryConnection | undefined;
  /** The end that reads out of it. */
  target: MemoryConnection | undefined;
  pendingBytes = 0;
  private readonly line: MutableLine;
  private readonly wake = Signal.make();
  private readonly arrive = Signal.make();
  private readonly outbox: Array<Buffer> = [];
  private readonly flying: Array<{ readonly at: number; readonly bytes: Buffer }> = [];
  private flyingBytes = 0;
  private ending = false;
  private departed = false;
  private finished = false;

  constructor(line: MutableLine) {
    this.line = line;
  }

  push(bytes: Buffer): void {
    if (this.ending || this.finished) return;
    this.pendingBytes += bytes.length;
    // The writer may reuse its buffer once `pending` is zero, which here is before the bytes arrive.
    this.outbox.push(Buffer.from(bytes));
    this.wake.notify();
  }

  end(): void {
    this.ending = true;
    this.wake.notify();
  }

  /** The receiver has room again. */
  readonly room = (): void => this.wake.notify();

  break(code: string | undefined): void {
    if (this.finished) return;
    this.finished = true;
    this.outbox.length = 0;
    this.flying.length = 0;
    this.pendingBytes = 0;
    this.wake.notify();
    this.arrive.notify();
    this.target?.closed(code);
  }

  readonly run: Effect.Effect<void> = Effect.suspend(() =>
    Effect.all([this.depart, this.deliver], { concurrency: 2, discard: true }),
  );

  private readonly depart: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    this.line.waiting.add(this.wake);
    while (!this.finished) {
      const target = this.target;
      const bytes = this.outbox[0];
      if (bytes === undefined) {
        if (this.ending) break;
        yield* this.wake.wait;
        continue;
      }
      if (this.line.stalled || target === undefined || target.readable + this.flyingBytes >= target.limit) {
        yield* this.wake.wait;
        continue;
      }
      this.outbox.shift();
      if (Number.isFinite(this.line.bandwidth)) {
        yield* Effect.sleep(Duration.millis((bytes.length / this.line.bandwidth) * 1000));
        if (this.finished) break;
      }
      this.pendingBytes -= bytes.length;
      this.flyingBytes += bytes.length;
      this.flying.push({ at: (yield* Clock.currentTimeMillis) + this.line.latencyMillis, bytes });
      this.arrive.notify();
      this.source?.changed();
    }
    this.line.waiting.delete(this.wake);
    this.departed = true;
    this.arrive.notify();
  });

  private readonly deliver: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    while (!this.finished) {
      const next = this.flying[0];
      if (next === undefined) {
        if (this.departed) break;
        yield* this.arrive.wait;
        continue;
      }
      const wait = next.at - (yield* Clock.currentTimeMillis);
      if (wait > 0) yield* Effect.sleep(Duration.millis(wait));
      if (this.flying[0] !== next) continue;
      this.flying.shift();
      this.flyingBytes -= next.bytes.length;
      this.target?.arrived(next.bytes);
    }
    if (!this.finished) {
      this.finished = true;
      this.target?.ended();
    }
  });
}

interface Session {
  readonly secret: Buffer | undefined;
  readonly peer: Buffer | undefined;
  readonly own: Buffer | undefined;
}

const noListener = () => {};

class MemoryConnection implements Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly tls: TlsBinding | undefined;
  readonly limit: number;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  readable = 0;
  private readonly outgoing: Pipe;
  private readonly incoming: Pipe;
  private readonly chunks: Array<Buffer> = [];
  private listener: () => void = noListener;
  private halfClosed = false;

  constructor(
    local: Endpoint,
    remote: Endpoint,
    outgoing: Pipe,
    incoming: Pipe,
    limit: number | undefined,
    session: Session,
  ) {
    this.local = local;
    this.remote = remote;
    this.outgoing = outgoing;
    this.incoming = incoming;
    this.limit = limit ?? DEFAULT_READ_BUFFER_BYTES;
    const { secret } = session;
    this.tls = secret && {
      peerCertificateDigest: session.peer,
      ownCertificateDigest: session.own,
      exporter: (label, context, length) =>
        createHmac("sha512", secret).update(label).update(context).digest().subarray(0, length),
    };
  }

  get pending(): number {
    return this.outgoing.pendingBytes;
  }

  onChange(listener: () => void): void {
    this.listener = listener;
  }

  read(): Buffer | undefined {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) {
      this.readable -= chunk.length;
      this.incoming.room();
    }
    return chunk;
  }

  write(bytes: Buffer): void {
    if (this.status !== "closed" && !this.halfClosed) this.outgoing.push(bytes);
  }

  end(): void {
    if (this.halfClosed) return;
    this.halfClosed = true;
    this.outgoing.end();
  }

  destroy(): void {
    if (this.status === "closed" && this.listener === noListener) return;
    this.status = "closed";
    this.listener = noListener;
    this.chunks.length = 0;
    this.readable = 0;
    this.outgoing.break(undefined);
    this.incoming.break(undefined);
  }

  arrived(bytes: Buffer): void {
    if (this.status === "closed") return;
    this.chunks.push(bytes);
    this.readable += bytes.length;
    this.listener();
  }

  ended(): void {
    if (this.status === "open") this.status = this.halfClosed ? "closed" : "ended";
    this.listener();
  }

  closed(code: string | undefined): void {
    if (this.status === "closed") return;
    this.status = "closed";
    if (code !== undefined) this.failure = new TransportError({ kind: "reset", code, endpoint: this.remote });
    this.listener();
  }

  /** Bytes of ours left. */
  changed(): void {
    this.listener();
  }
}

const certificateDigest = (pem: string): Buffer => createHash("sha256").update(new X509Certificate(pem).raw).digest();

/** Ephemeral ports begin here, as on Linux. */
const FIRST_EPHEMERAL_PORT = 32768;
