import { type Connection, type Endpoint, type Listener, Transport, type TransportError } from "@allium/channel";
import { type HttpRequest, readRequest } from "@allium/directory";
import { Metrics, type MetricsRegistry, Signal } from "@allium/kernel";
import { ExitPolicy, parsePolicyRules } from "@allium/netdoc";
import { Cause, Clock, Effect, Exit, FiberSet, Scope } from "effect";
import { MAX_METRICS_CONNECTIONS, MAX_METRICS_REQUEST_BYTES, METRICS_EXCHANGE_TIMEOUT } from "./limits.ts";
import { formatPrometheus, PROMETHEUS_CONTENT_TYPE } from "./prometheus.ts";

/** Where metrics are served, and to whom. */
export interface MetricsConfig {
  /** Where to listen. */
  readonly listen: Endpoint;
  /**
   * Who may look, as rules in the syntax of torrc's `MetricsPortPolicy`; nobody else. Already checked to be well formed.
   * @default this machine alone
   */
  readonly policy?: ReadonlyArray<string>;
}

/** Who may look if the operator does not say. */
export const defaultMetricsPolicy: ReadonlyArray<string> = ["accept 127.0.0.0/8:*", "accept6 [::1]:*"];

/** The metrics page of a process. */
export interface MetricsServer {
  /** Where it listens. */
  readonly endpoint: () => Endpoint | undefined;
  /**
   * Listens elsewhere, lets others look, or stops listening. What cannot be listened on leaves everything as it was. Scrapes
   * that are under way are finished.
   */
  readonly configure: (config: MetricsConfig | undefined) => Effect.Effect<void, TransportError>;
}

/** A listener and the scope that closes it. */
interface Open {
  readonly asked: Endpoint;
  readonly listener: Listener;
  readonly scope: Scope.Closeable;
}

const sameEndpoint = (one: Endpoint, other: Endpoint): boolean => one.host === other.host && one.port === other.port;

const policyOf = ({ policy = defaultMetricsPolicy }: MetricsConfig): ExitPolicy =>
  new ExitPolicy([...policy, "reject *:*"].flatMap((rule) => parsePolicyRules(rule)));

/**
 * Serves what is registered with `Metrics` to a monitoring system, as HTTP/1.0: `GET /metrics`, one request a connection. It
 * listens on nothing before it is configured, and until the scope closes.
 */
export const makeMetricsServer: Effect.Effect<MetricsServer, never, Transport | Scope.Scope> = Effect.gen(function* () {
  const transport = yield* Transport;
  const registry = yield* Metrics.Registry;
  const scope = yield* Effect.scope;
  const fork = yield* FiberSet.makeRuntime<never, void, never>();
  let policy = ExitPolicy.rejectAll;
  let open: Open | undefined;
  let scrapes = 0;

  const onConnection = (connection: Connection): void => {
    scrapes++;
    fork(
      serve(connection, registry).pipe(
        Effect.timeoutOption(METRICS_EXCHANGE_TIMEOUT),
        Effect.tapCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("metrics page", cause),
        ),
        Effect.ignoreCause,
        Effect.ensuring(
          Effect.sync(() => {
            scrapes--;
            connection.destroy();
          }),
        ),
      ),
    );
  };
  const listen = Effect.fnUntraced(function* (endpoint: Endpoint): Effect.fn.Return<Open, TransportError> {
    const child = yield* Scope.fork(scope);
    const listener = yield* transport
      .listen(endpoint, {
        admit: ({ host }) => scrapes < MAX_METRICS_CONNECTIONS && policy.permits(host, endpoint.port),
        maxConnections: MAX_METRICS_CONNECTIONS,
        readBufferBytes: MAX_METRICS_REQUEST_BYTES,
        onConnection,
      })
      .pipe(
        Scope.provide(child),
        Effect.onError(() => Scope.close(child, Exit.void)),
      );
    return { asked: endpoint, listener, scope: child };
  });

  return {
    endpoint: () => open?.listener.endpoint,
    configure: (config) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const before = open;
          if (config === undefined) {
            open = undefined;
            policy = ExitPolicy.rejectAll;
          } else {
            if (before === undefined || !sameEndpoint(before.asked, config.listen)) open = yield* listen(config.listen);
            policy = policyOf(config);
          }
          if (before !== undefined && before !== open) yield* Scope.close(before.scope, Exit.void);
        }),
      ),
  };
});

interface Answer {
  readonly status: string;
  readonly type: string;
  readonly body: string;
  readonly withBody: boolean;
}

const plain = (status: string): Answer => ({ status, type: "text/plain", body: `${status}\n`, withBody: true });

const answerTo = ({ method, target }: HttpRequest, registry: MetricsRegistry): Answer => {
  if (method !== "GET" && method !== "HEAD") return plain("405 Method Not Allowed");
  const [path] = target.split("?");
  if (path !== "/metrics") return plain("404 Not Found");
  const body = formatPrometheus(registry.collect());
  return { status: "200 OK", type: PROMETHEUS_CONTENT_TYPE, body, withBody: method === "GET" };
};

const formatAnswer = ({ status, type, body, withBody }: Answer, now: number): Buffer => {
  const bytes = Buffer.from(body, "utf8");
  const head = [
    `HTTP/1.0 ${status}`,
    `Date: ${new Date(now).toUTCString()}`,
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
    "Connection: close",
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), ...(withBody ? [bytes] : [])]);
};

/** One request and its answer. Whoever says nothing, or nothing sensible, is cut off by the caller. */
const serve = (connection: Connection, registry: MetricsRegistry): Effect.Effect<void> => {
  const changed = Signal.make();
  connection.onChange(() => changed.notify());
  return Effect.gen(function* () {
    const answer = yield* readRequest(connection, changed, MAX_METRICS_REQUEST_BYTES).pipe(
      Effect.map((request) => (request === undefined ? undefined : answerTo(request, registry))),
      Effect.catch(() => Effect.succeed(plain("400 Bad Request"))),
    );
    if (answer === undefined) return;
    connection.write(formatAnswer(answer, yield* Clock.currentTimeMillis));
    connection.end();
    // Until the other side has it, and has closed too: what is closed with unread bytes in it is reset.
    while (connection.status !== "closed") {
      while (connection.read() !== undefined);
      if (connection.status === "ended" && connection.pending === 0) return;
      yield* changed.wait;
    }
  });
};
