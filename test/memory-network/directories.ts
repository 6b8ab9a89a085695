import { type Connection, connectionPair, TransportError } from "@allium/channel";
import type { OpenedStream } from "@allium/circuit";
import {
  DirectoryMirror,
  DirectoryReactor,
  DirectoryServer,
  type DirectorySnapshot,
  DirectoryView,
  layerDirectoryServer,
} from "@allium/directory";
import { Signal } from "@allium/kernel";
import { Clock, Context, Effect, FiberSet, Layer, type Scope, Stream } from "effect";
import type { Behaviour } from "../../packages/directory/test/support/pretended-directory.ts";
import type { Publisher } from "./publisher.ts";
import type { Trace } from "./trace.ts";

/** A request that a directory of the network was asked. */
export interface DirectoryQuestion {
  /** The nickname of the relay or authority that was asked. */
  readonly asked: string;
  /** Whom the stream comes from: the relay before, or the client. */
  readonly from: string;
  /** `OR`: over BEGIN_DIR; `Dir`: over HTTP at an authority's DirPort. */
  readonly port: "OR" | "Dir";
  readonly at: number;
  readonly method: string;
  readonly target: string;
  readonly head: string;
}

/**
 * What a directory does with a request in place of the honest answer, which is given with head and body; undefined for the honest
 * one.
 */
export type Answering = (question: DirectoryQuestion, honest: Buffer) => Behaviour | undefined;

/** Where a request came in. */
export type Asked = Pick<DirectoryQuestion, "asked" | "from" | "port">;

/** The directories of all relays: Allium's own server, behind what tests have it say instead. */
export interface Directories {
  /** All questions so far. */
  readonly questions: ReadonlyArray<DirectoryQuestion>;
  /** Asked for each request, the newest first. */
  readonly answering: Set<Answering>;
  /** Opens a stream to a relay's directory. */
  readonly open: (asked: Asked) => Effect.Effect<OpenedStream>;
  /** Answers over a connection, which `reset` breaks. */
  readonly serve: (connection: Connection, asked: Asked, reset: () => void) => void;
}

/** Starts them, until the scope closes. */
export const makeDirectories = (publisher: Publisher, trace: Trace): Effect.Effect<Directories, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock;
    const server = Context.get(yield* Layer.build(layerServer(publisher)), DirectoryServer);
    const fork = yield* FiberSet.makeRuntime<never, void, never>();
    const questions: Array<DirectoryQuestion> = [];
    const answering = new Set<Answering>();

    const answer = Effect.fnUntraced(function* (connection: Connection, asked: Asked, reset: () => void) {
      const request = (yield* readUntil(connection, "\r\n\r\n")).toString("latin1");
      const [, method = "", target = ""] = /^([A-Z]+) (\S+)/.exec(request) ?? [];
      const question = { ...asked, at: clock.currentTimeMillisUnsafe(), method, target, head: request };
      questions.push(question);
      const honest = yield* askServer(server, request);
      const other = liesOf(answering, question, honest);
      const status = /^HTTP\/1\.0 (\d+)/.exec((other?.bytes ?? honest).toString("latin1", 0, 20))?.[1] ?? "no status";
      trace.note(
        asked.asked,
        `${method} ${shorten(target)} from ${asked.from}: ${other === undefined ? "" : "lies, "}${status}`,
      );
      connection.write(other?.bytes ?? honest);
      if (other === undefined || other.after === "end") connection.end();
      else if (other.after === "reset") reset();
    });

    const serve: Directories["serve"] = (connection, asked, reset) => {
      fork(answer(connection, asked, reset));
    };
    return {
      questions,
      answering,
      serve,
      open: (asked) =>
        Effect.sync(() => {
          const [near, far] = connectionPair();
          serve(near, asked, () => near.fail(BROKEN));
          return { connection: far, connected: { _tag: "CONNECTED", resolved: undefined } };
        }),
    };
  });

/** What the newest of those answers who has something to say about it. */
const liesOf = (
  answering: ReadonlySet<Answering>,
  question: DirectoryQuestion,
  honest: Buffer,
): Behaviour | undefined => {
  for (const answer of [...answering].reverse()) {
    const lie = answer(question, honest);
    if (lie !== undefined) return lie;
  }
  return undefined;
};

/** What an honest directory answers. Without encodings: packing takes real time, of which no clock of a test knows. */
const askServer = (server: DirectoryServer["Service"], request: string): Effect.Effect<Buffer> =>
  Effect.gen(function* () {
    const { connection } = yield* server.open();
    connection.write(Buffer.from(request.replace(/^Accept-Encoding:.*\r\n/im, ""), "latin1"));
    return yield* readUntil(connection);
  }).pipe(Effect.orDie);

/** What comes until a text, or the end. */
const readUntil = (connection: Connection, text?: string): Effect.Effect<Buffer> =>
  Effect.gen(function* () {
    const changed = Signal.make();
    connection.onChange(() => changed.notify());
    const chunks: Array<Buffer> = [];
    for (;;) {
      const chunk = connection.read();
      if (chunk !== undefined) chunks.push(chunk);
      else if (connection.status !== "open") return Buffer.concat(chunks);
      else yield* changed.wait;
      if (text !== undefined && Buffer.concat(chunks).includes(text)) return Buffer.concat(chunks);
    }
  });

const BROKEN = new TransportError({ kind: "reset", code: "ECONNRESET", endpoint: { host: "", port: 0 } });

const shorten = (target: string): string => (target.length <= 60 ? target : `${target.slice(0, 60)}…`);

const layerServer = (publisher: Publisher): Layer.Layer<DirectoryServer> => {
  const current = (): DirectorySnapshot => ({
    consensus: publisher.published?.held.consensus,
    held: publisher.published?.held,
    params: publisher.held.consensus.params,
    microdescriptors: publisher.microdescriptors,
    certificates: publisher.certificates,
    missingMicrodescriptors: 0,
  });
  return layerDirectoryServer().pipe(
    Layer.provide([
      Layer.succeed(DirectoryView, { current, changes: Stream.empty }),
      Layer.succeed(DirectoryMirror, {
        mirror: undefined as never,
        consensus: (flavor) => (flavor === "microdesc" ? publisher.published?.served : undefined),
        descriptors: {
          router: () => undefined,
          routerOf: () => undefined,
          routers: () => [],
          extraInfo: () => undefined,
          extraInfos: () => [],
        },
      }),
      // All that the server asks it for.
      Layer.succeed(DirectoryReactor, { publication: () => undefined } as unknown as DirectoryReactor["Service"]),
    ]),
  );
};
