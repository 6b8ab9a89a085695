import type { Begin, Resolve } from "@allium/cell";
import {
  type EndingOpener,
  type OpenedStream,
  type StreamOpener,
  StreamOpeners,
  type StreamRefusal,
} from "@allium/circuit";
import { Effect, Layer } from "effect";

/** A stream, or a look-up, that a relay was asked for: what an exit sees of its users. */
export interface SeenStream {
  readonly at: number;
  readonly kind: "BEGIN" | "BEGIN_DIR" | "RESOLVE";
  /** Which circuit of this relay: those with streams are counted from 1, in the order of their first stream. */
  readonly circuit: number;
  /** Whom the circuit comes from. */
  readonly from: string;
  /** As in `example.com:80`; empty for a directory stream. */
  readonly target: string;
}

/** Tells of each stream before it is opened. @param number that of the next circuit with streams */
export const observe =
  (now: () => number, number: () => number, seen: (stream: SeenStream) => void) =>
  <E, R>(openers: Layer.Layer<StreamOpeners, E, R>): Layer.Layer<StreamOpeners, E, R> =>
    Layer.effect(
      StreamOpeners,
      Effect.map(StreamOpeners, ({ forCircuit }) =>
        StreamOpeners.of({
          forCircuit: (origin) => {
            const circuit = number();
            const note = (kind: SeenStream["kind"], target: string) =>
              seen({ at: now(), kind, circuit, from: origin.address, target });
            return new ObservedOpener(forCircuit(origin), note);
          },
        }),
      ),
    ).pipe(Layer.provide(openers));

class ObservedOpener implements EndingOpener {
  private readonly inner: StreamOpener;
  private readonly note: (kind: SeenStream["kind"], target: string) => void;
  readonly beginDirectory: Effect.Effect<OpenedStream, StreamRefusal>;

  constructor(inner: StreamOpener, note: (kind: SeenStream["kind"], target: string) => void) {
    this.inner = inner;
    this.note = note;
    this.beginDirectory = Effect.suspend(() => {
      note("BEGIN_DIR", "");
      return inner.beginDirectory;
    });
  }

  admit(): ReturnType<NonNullable<StreamOpener["admit"]>> {
    return this.inner.admit?.() ?? "open";
  }

  begin(request: Begin): Effect.Effect<OpenedStream, StreamRefusal> {
    this.note("BEGIN", `${request.destination.address}:${request.port}`);
    return this.inner.begin(request);
  }

  resolve(request: Resolve): ReturnType<StreamOpener["resolve"]> {
    this.note("RESOLVE", request.query.address);
    return this.inner.resolve(request);
  }

  linger(connection: OpenedStream["connection"]): void {
    this.inner.linger(connection);
  }

  onCircuitEnd(): void {
    (this.inner as Partial<EndingOpener>).onCircuitEnd?.();
  }
}
