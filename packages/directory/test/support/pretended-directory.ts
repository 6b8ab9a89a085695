import { type Connection, type Endpoint, Transport, type TransportError } from "@allium/channel";
import { Clock, Effect, type Layer, type Scope } from "effect";

/** A request as it arrived. */
export interface SeenRequest {
  readonly at: number;
  readonly method: string;
  readonly target: string;
  readonly head: string;
  readonly body: string;
}

/** What to do with a request. Bytes are sent as they are; after that the connection is ended, broken, or left to stand still. */
export interface Behaviour {
  readonly bytes: Buffer;
  readonly after: "end" | "reset" | "stall";
  /** Whether to write each byte for itself. */
  readonly pieces?: boolean;
}

/** A well-formed answer. */
export const answer = (body: Buffer | string = "", head: { status?: string; headers?: string } = {}): Behaviour => {
  const bytes = Buffer.from(body);
  const lines = `HTTP/1.0 ${head.status ?? "200 OK"}\r\nContent-Length: ${bytes.length}\r\n${head.headers ?? ""}\r\n`;
  return { bytes: Buffer.concat([Buffer.from(lines), bytes]), after: "end" };
};

/** What a directory says that does not have it. */
export const notFound: Behaviour = answer("", { status: "404 Not found" });

/** An HTTP server that does what a test wants: a pretended authority, honest or not. */
export class PretendedDirectory {
  readonly endpoint: Endpoint;
  readonly requests: Array<SeenRequest> = [];
  /** Answers the next request. */
  respond: (request: SeenRequest) => Behaviour = () => notFound;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /** Listens until the scope closes. */
  listen(host: Layer.Layer<Transport>): Effect.Effect<void, TransportError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const transport = yield* Transport;
      const clock = yield* Clock.Clock;
      yield* transport.listen(this.endpoint, {
        onConnection: (connection) => this.#serve(connection, () => clock.currentTimeMillisUnsafe()),
      });
    }).pipe(Effect.provide(host));
  }

  /** The targets asked for so far that begin so. */
  targets(prefix: string): ReadonlyArray<string> {
    return this.requests.map(({ target }) => target).filter((target) => target.startsWith(prefix));
  }

  #serve(connection: Connection, now: () => number): void {
    let received = "";
    let answered = false;
    connection.onChange(() => {
      for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read())
        received += bytes.toString("latin1");
      const end = received.indexOf("\r\n\r\n");
      if (answered || end < 0) return;
      const head = received.slice(0, end);
      const body = received.slice(end + 4);
      if (body.length < Number(/^Content-Length: (\d+)$/m.exec(head.replaceAll("\r", ""))?.[1] ?? 0)) return;
      answered = true;
      const [method = "", target = ""] = head.split(" ");
      const request = { at: now(), method, target, head, body };
      this.requests.push(request);
      const { bytes, after, pieces } = this.respond(request);
      for (const piece of pieces ? [...bytes].map((byte) => Buffer.of(byte)) : [bytes]) connection.write(piece);
      if (after === "end") connection.end();
      if (after === "reset") connection.destroy();
    });
  }
}
