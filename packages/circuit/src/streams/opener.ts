import type { Begin, Connected, End, Resolve, ResolvedAnswer } from "@allium/cell";
import type { Connection, PeerIdentity } from "@allium/channel";
import { Context, type Effect } from "effect";

/** What an incoming stream leads to once it is open: the local end, and what the other side is told. */
export interface OpenedStream {
  readonly connection: Connection;
  readonly connected: Connected;
}

/** Why a stream was not opened: the END that says so. */
export interface StreamRefusal {
  readonly _tag: "StreamRefusal";
  readonly end: End;
}

/** Makes a refusal. */
export const refuseStream = (reason: number, resolved?: End["resolved"]): StreamRefusal => ({
  _tag: "StreamRefusal",
  end: { _tag: "END", reason, resolved },
});

/** What an opener knows of the circuit that asks. */
export interface StreamOrigin {
  /** Whom the near channel comes from, as an IP address. */
  readonly address: string;
  /** The relay that it comes from; `undefined` if it comes straight from a client: an exit must not be the only hop. */
  readonly peer: PeerIdentity | undefined;
}

/** Whether a stream is looked at. */
export type StreamAdmission = "open" | "refuse" | "closeCircuit";

/**
 * Opens what BEGIN, BEGIN_DIR and RESOLVE ask for. An exit's opener applies its policy, resolves and connects; a client's
 * refuses everything. Interrupted when the stream or the circuit ends meanwhile.
 */
export interface StreamOpener {
  /**
   * Asked for each BEGIN and RESOLVE before anything is done about it; `refuse` answers with END MISC, or a transient failure, and
   * `closeCircuit` ends the circuit with RESOURCELIMIT. It must not block. @default all are opened
   */
  readonly admit?: () => StreamAdmission;
  readonly begin: (request: Begin) => Effect.Effect<OpenedStream, StreamRefusal>;
  readonly beginDirectory: Effect.Effect<OpenedStream, StreamRefusal>;
  readonly resolve: (request: Resolve) => Effect.Effect<ReadonlyArray<ResolvedAnswer>>;
  /**
   * Takes over a connection whose stream has ended: sends what is pending, then closes it, in bounded time. Not that of a stream
   * that was asked for by this side and ended by the other.
   */
  readonly linger: (connection: Connection) => void;
}

/** Makes the opener of each circuit. */
export class StreamOpeners extends Context.Service<
  StreamOpeners,
  { readonly forCircuit: (origin: StreamOrigin) => StreamOpener }
>()("allium/circuit/StreamOpeners") {}
