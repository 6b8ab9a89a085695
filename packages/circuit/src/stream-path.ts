import type { Begin, BeginDir, Resolve } from "@allium/cell";
import type { Connection } from "@allium/channel";
import type { GroupClosed, LinkReader, LinkWriter, Signal } from "@allium/kernel";
import { Context, type Effect, type Scope } from "effect";
import type { CircuitContext } from "./circuit-context.ts";
import { CircuitProtocolError } from "./errors.ts";
import type { StreamsFlow } from "./hop.ts";
import type { StreamBatch, StreamTrain } from "./messages.ts";
import type { StreamRequester } from "./streams/stream.ts";
import { withItem } from "./with-item.ts";

/** The streams of a hop, for those who ask for them. A conflux set has one for all of its legs. */
export interface Streams {
  /** Open streams, those that are being opened included. */
  readonly size: number;
  /**
   * Asks the hop for a stream. Bytes of `connection` are sent once it is connected.
   * @returns the stream's ID, or `undefined` if all are in use
   */
  request(
    message: Begin | BeginDir | Resolve,
    connection: Connection | undefined,
    requester: StreamRequester,
  ): number | undefined;
  /** Ends a stream from this side, if it is (still) there. Its requester is not told. */
  close(id: number, reason: number): void;
}

/** Where ingress puts the stream messages of a hop, and where egress takes from what its streams have ready. */
export interface StreamPath {
  readonly inlet: LinkWriter<StreamTrain>;
  readonly outlet: LinkReader<StreamBatch>;
  readonly streams: Streams;
  /** Egress notifies it when the hop's congestion window has room again, or `StreamPaths.blocked` has changed. */
  readonly room: Signal;
  /** Bytes that wait for applications, or came from them and wait for the window. For the memory account; walks over the streams. */
  readonly heldBytes: () => number;
  /** The place in line of the oldest of these bytes; `undefined` if there are none. Walks over the streams. */
  readonly oldest: () => number | undefined;
  /** Ends all streams at once, with all that waits on them: memory has run out. */
  readonly drop: () => void;
}

/** Which kind of stream path a hop has. `direct` and `conflux` are final. */
export type StreamPathState = "empty" | "direct" | "conflux";

/**
 * How streams are handled on a hop, as a service: one reactor for both directions, or one for each, over one map. Layers:
 * `layerSingle`, `layerSplit`. Built when the first stream opens, so that a middle relay never pays for it.
 */
export class StreamHandling extends Context.Service<
  StreamHandling,
  {
    /** Starts the reactors of the direct path in the circuit's group. */
    readonly direct: (
      circuit: CircuitContext,
      hop: number,
      flow: StreamsFlow,
    ) => Effect.Effect<StreamPath, GroupClosed, Scope.Scope>;
  }
>()("allium/circuit/StreamHandling") {}

/** The stream paths of a circuit, one per hop at most. Owned by ingress; egress reads the outlets. */
export class StreamPaths {
  /** Whether egress waits for its channel to have room. Written by egress, which notifies each path's `room` when it changes. */
  blocked = false;
  private paths: ReadonlyArray<StreamPath | undefined> = [];
  private states: ReadonlyArray<StreamPathState | undefined> = [];
  private readonly egress: Signal;

  /** @param egress woken when an outlet has something */
  constructor(egress: Signal) {
    this.egress = egress;
  }

  /** The path of a hop, if it has one. */
  get(hop: number): StreamPath | undefined {
    return this.paths[hop];
  }

  /** What kind of path a hop has. */
  state(hop: number): StreamPathState {
    return this.states[hop] ?? "empty";
  }

  /** All paths, for egress to take from. */
  get all(): ReadonlyArray<StreamPath | undefined> {
    return this.paths;
  }

  /**
   * Gives a hop its path, once.
   * @throws CircuitProtocolError if it has one already: a circuit that was used for streams cannot be linked
   */
  install(hop: number, kind: "direct" | "conflux", path: StreamPath): Effect.Effect<void> {
    if (this.state(hop) !== "empty") {
      throw new CircuitProtocolError({ where: "stream path", detail: `hop ${hop} is ${this.state(hop)} already` });
    }
    this.paths = withItem(this.paths, hop, path);
    this.states = withItem(this.states, hop, kind);
    return path.outlet.wakes(this.egress);
  }
}
