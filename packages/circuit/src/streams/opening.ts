import { type Begin, type BeginDir, type Connected, EndReason, type Resolve, type Resolved } from "@allium/cell";
import type { Connection } from "@allium/channel";
import { Cause, Effect, Exit } from "effect";
import { CircuitLimit, CircuitProtocolError } from "../errors.ts";
import type { OpenedStream, StreamRefusal } from "./opener.ts";
import type { Stream, StreamRequester } from "./stream.ts";
import type { StreamMap } from "./stream-map.ts";
import type { StreamTableOptions } from "./stream-table-options.ts";

/** How streams come to be: opened for the other side at an exit, asked for at a client. */
export class Opening {
  private readonly options: StreamTableOptions;
  private readonly map: StreamMap;
  private readonly attach: (stream: Stream, connection: Connection) => void;
  private readonly makeReady: (stream: Stream) => void;

  constructor(
    options: StreamTableOptions,
    map: StreamMap,
    links: {
      /** The stream has its connection now. */
      readonly attach: (stream: Stream, connection: Connection) => void;
      /** The stream may have bytes to package now. */
      readonly makeReady: (stream: Stream) => void;
    },
  ) {
    this.options = options;
    this.map = map;
    this.attach = links.attach;
    this.makeReady = links.makeReady;
  }

  /**
   * BEGIN or BEGIN_DIR: CONNECTED or END follows.
   * @throws CircuitLimit if the circuit asks for too many
   */
  onBegin(id: number, message: Begin | BeginDir): void {
    const { map } = this;
    // A second BEGIN on a stream is dropped, as `tor` does.
    if (map.get(id) !== undefined) return;
    const refuse = (reason: number) => map.reply(id, { _tag: "END", reason, resolved: undefined });
    // Not RESOURCELIMIT: the client would try the next exit.
    if (message._tag === "BEGIN" && !this.admits()) return refuse(EndReason.MISC);
    if (map.size >= this.options.maxStreams) return refuse(EndReason.RESOURCELIMIT);
    const { opener } = this.options;
    const stream = map.add(id, "opening");
    this.run(stream, message._tag === "BEGIN" ? opener.begin(message) : opener.beginDirectory, {
      onSuccess: (opened) => this.onOpened(stream, opened),
      onRefused: ({ end }) => map.reply(id, end),
      onDefect: () => refuse(EndReason.INTERNAL),
    });
  }

  /**
   * RESOLVE: RESOLVED follows.
   * @throws CircuitLimit if the circuit asks for too many
   */
  onResolve(id: number, message: Resolve): void {
    const { map } = this;
    if (map.get(id) !== undefined) return;
    const fail = () => map.reply(id, { _tag: "RESOLVED", answers: [{ _tag: "ERROR", transient: true, ttl: 0 }] });
    if (!this.admits() || map.size >= this.options.maxStreams) return fail();
    const stream = map.add(id, "opening");
    this.run(stream, this.options.opener.resolve(message), {
      onSuccess: (answers) => {
        if (stream.state === "ended") return;
        map.remove(stream);
        map.reply(id, { _tag: "RESOLVED", answers });
      },
      onRefused: fail,
      onDefect: fail,
    });
  }

  private admits(): boolean {
    const admission = this.options.opener.admit?.() ?? "open";
    if (admission === "closeCircuit") throw new CircuitLimit({ limit: "streams" });
    return admission === "open";
  }

  private run<A>(
    stream: Stream,
    opening: Effect.Effect<A, StreamRefusal>,
    then: {
      readonly onSuccess: (value: A) => void;
      readonly onRefused: (refusal: StreamRefusal) => void;
      readonly onDefect: () => void;
    },
  ): void {
    const onExit = (exit: Exit.Exit<A, StreamRefusal>): Effect.Effect<void> => {
      if (Exit.isSuccess(exit)) {
        stream.cancel = undefined;
        then.onSuccess(exit.value);
        return Effect.void;
      }
      // Given up, by the stream's END or the circuit's.
      if (stream.state === "ended") return Effect.void;
      this.map.remove(stream);
      const refusal = Cause.findErrorOption(exit.cause);
      if (refusal._tag === "Some") {
        then.onRefused(refusal.value);
        return Effect.void;
      }
      then.onDefect();
      return Effect.logError("a stream was not opened because of a defect", exit.cause);
    };
    // What was opened reaches the stream, or is closed, even if it is given up in that moment.
    stream.cancel = this.options.fork(
      Effect.uninterruptibleMask((restore) => Effect.flatMap(Effect.exit(restore(opening)), onExit)),
    );
  }

  private onOpened(stream: Stream, opened: OpenedStream): void {
    if (stream.state === "ended") {
      opened.connection.destroy();
      return;
    }
    stream.state = "open";
    this.attach(stream, opened.connection);
    this.map.reply(stream.id, opened.connected);
  }

  /**
   * Asks the hop for a stream. Bytes of `connection` are sent once it is connected.
   * @returns the stream's ID, or `undefined` if all are in use
   */
  request(
    message: Begin | BeginDir | Resolve,
    connection: Connection | undefined,
    requester: StreamRequester,
  ): number | undefined {
    const id = this.map.allocateId();
    if (id === undefined) return undefined;
    const expects = message._tag === "RESOLVE" ? "RESOLVED" : "CONNECTED";
    const stream = this.map.add(id, "requested", { requester, expects });
    if (connection !== undefined) this.attach(stream, connection);
    this.map.reply(id, message);
    return id;
  }

  /**
   * CONNECTED or RESOLVED: the requester is told.
   * @throws CircuitProtocolError if nobody waits for it
   */
  onAnswer(stream: Stream, message: Connected | Resolved): void {
    if (stream.state !== "requested" || stream.expects !== message._tag) {
      throw new CircuitProtocolError({ where: message._tag, detail: `stream ${stream.id} did not wait for it` });
    }
    if (message._tag === "RESOLVED") {
      this.map.remove(stream);
      stream.requester?.onResolved(message);
      return;
    }
    stream.state = "open";
    stream.requester?.onConnected(message);
    if (stream.connection !== undefined) this.makeReady(stream);
  }
}
