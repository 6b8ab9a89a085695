import type { Connection } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { Effect } from "effect";
import type { ConnectError } from "../errors.ts";
import {
  type DestinationError,
  ProxyNegotiation,
  type ProxyOptions,
  type ProxyProtocolError,
  type ProxyRequest,
} from "../proxy/index.ts";
import type { StreamOptions, TorClientService, TorStream } from "../tor-client.ts";
import { type IsolationFlags, isolatedPart, isolationKey } from "./isolation.ts";
import { PROXY_CLOSE_MILLIS, PROXY_NEGOTIATION_TIMEOUT } from "./limits.ts";
import type { ProxyWarnings } from "./warnings.ts";

/** What serves an application. */
export interface ApplicationParts {
  readonly client: TorClientService;
  readonly warn: ProxyWarnings;
  /** The name of the listener that it came to. */
  readonly listener: string;
  readonly isolation: IsolationFlags;
  readonly options: ProxyOptions;
  /** Whether to warn of applications that give addresses in place of names. */
  readonly warnOfAddresses: boolean;
  /** It has said what it wants, or never will. Said once. */
  readonly onDecided: () => void;
  /** It has its stream: both connections are the callee's from here on. */
  readonly onStream: (application: Connection, stream: Connection, first: Buffer) => void;
}

/** An application that has connected, until it has its stream. Its connection is destroyed in the end, if it gets none. */
export class Application {
  /** Serves it, from its first byte to its stream, its answer, or its end. */
  readonly serve: Effect.Effect<void>;
  private readonly connection: Connection;
  private readonly parts: ApplicationParts;
  private readonly negotiation: ProxyNegotiation;
  private readonly changed = Signal.make();
  /** A stream that was opened for it and that nobody else has yet. */
  private stream: TorStream | undefined = undefined;
  private handedOver = false;

  constructor(connection: Connection, parts: ApplicationParts) {
    this.connection = connection;
    this.parts = parts;
    this.negotiation = new ProxyNegotiation(parts.options);
    connection.onChange(() => this.changed.notify());
    this.serve = this.decide().pipe(
      Effect.flatMap((request) => (request === undefined ? Effect.void : this.answer(request))),
      Effect.ensuring(Effect.sync(() => this.release())),
    );
  }

  /** Gives it up. */
  drop(): void {
    this.connection.destroy();
    this.changed.notify();
  }

  private release(): void {
    this.stream?.connection.destroy();
    if (!this.handedOver) this.connection.destroy();
  }

  /** What it wants; `undefined` if that was answered already, or if it does not say. */
  private decide(): Effect.Effect<ProxyRequest | undefined> {
    const { warn, onDecided } = this.parts;
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const outcome = this.negotiate();
        if (outcome === "open") yield* this.changed.wait;
        else return outcome;
      }
    }).pipe(
      Effect.timeoutOrElse({
        duration: PROXY_NEGOTIATION_TIMEOUT,
        orElse: () => Effect.sync(() => warn("silent")),
      }),
      Effect.ensuring(Effect.sync(onDecided)),
      Effect.flatMap((outcome) => (outcome === "answered" ? this.farewell() : Effect.succeed(outcome ?? undefined))),
    );
  }

  /** Takes what has come by now. `undefined`: nothing can come of it. */
  private negotiate(): ProxyRequest | "open" | "answered" | undefined {
    const { connection, negotiation } = this;
    for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) {
      for (const event of negotiation.receive(bytes)) {
        switch (event._tag) {
          case "Reply":
            connection.write(event.bytes);
            break;
          case "Request":
            return event;
          case "Rejected":
            this.parts.warn("protocol", faultOf(event.error));
            connection.write(event.bytes);
            return "answered";
          case "Answered":
            connection.write(event.bytes);
            return "answered";
        }
      }
    }
    if (connection.status === "open") return "open";
    const error = negotiation.end();
    if (error !== undefined) this.parts.warn("protocol", faultOf(error));
    return undefined;
  }

  private answer(request: ProxyRequest): Effect.Effect<void> {
    return Effect.raceFirst(this.provide(request), this.gone()).pipe(
      Effect.catch(({ failure }) => {
        this.connection.write(this.negotiation.failed(failure));
        return this.farewell();
      }),
    );
  }

  /** Provides what it wants. */
  private provide(request: ProxyRequest): Effect.Effect<void, ConnectError> {
    const { client, isolation, listener } = this.parts;
    const { connection, negotiation } = this;
    const options: StreamOptions = {
      isolation: isolationKey({ ...isolatedPart(request), listener, client: connection.remote.host }, isolation),
      family: request.family,
    };
    const { address } = request.destination;
    switch (request.kind) {
      case "connect":
        this.warnOf(request);
        return Effect.uninterruptibleMask((restore) =>
          Effect.map(restore(client.open({ host: address, port: request.port }, options)), (stream) => {
            this.stream = stream;
            connection.write(negotiation.succeeded());
            this.handOver(stream, request.leftover);
          }),
        );
      case "resolve":
        return Effect.flatMap(client.resolve(address, options), ([first]) => {
          connection.write(first === undefined ? negotiation.failed("no-answer") : negotiation.succeeded(first.value));
          return this.farewell();
        });
      case "resolvePtr":
        return Effect.flatMap(client.reverse(address, options), ([first]) => {
          const name = first && ({ family: "name", address: first.value } as const);
          connection.write(name === undefined ? negotiation.failed("no-answer") : negotiation.succeeded(name));
          return this.farewell();
        });
    }
  }

  private handOver(stream: TorStream, first: Buffer): void {
    if (this.connection.status === "closed") return;
    this.stream = undefined;
    this.handedOver = true;
    this.parts.onStream(this.connection, stream.connection, first);
  }

  private warnOf(request: Extract<ProxyRequest, { readonly kind: "connect" }>): void {
    const { warn, warnOfAddresses } = this.parts;
    if (request.obsoleteAuthorization) warn("authorization");
    // Whoever speaks HTTP may as well have been given the address itself.
    if (warnOfAddresses && request.given === "address" && request.isolation.protocol !== "http-connect")
      warn("addresses");
  }

  /** Waits until the application has closed, or sends no more: then nobody waits for an answer, as `tor` has it. */
  private gone(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (this.connection.status === "open") yield* this.changed.wait;
    });
  }

  /** Says that nothing more comes, and gives it the time to read what was said: what is closed with unread bytes is reset. */
  private farewell(): Effect.Effect<undefined> {
    const { connection, changed } = this;
    connection.end();
    return Effect.gen(function* () {
      while (connection.status !== "closed") {
        while (connection.read() !== undefined);
        if (connection.status === "ended" && connection.pending === 0) break;
        yield* changed.wait;
      }
    }).pipe(Effect.timeoutOption(PROXY_CLOSE_MILLIS), Effect.as(undefined));
  }
}

/** What was wrong, without a word of what was sent: where an application wants to go is not for logs. */
export const faultOf = (error: ProxyProtocolError | DestinationError): string =>
  error._tag === "DestinationError" ? `destination: ${error.problem}` : `${error.dialect}: ${error.problem}`;
