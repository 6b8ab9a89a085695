import type { ClientCircuit, StreamFailure } from "@allium/circuit";
import type { Fingerprint } from "@allium/netdoc";
import { Duration, Effect } from "effect";
import { ConnectError } from "../errors.ts";
import type { ExitNeed } from "../paths/index.ts";
import {
  type AcquireParts,
  acquireTunnel,
  type ExitRefusals,
  STREAM_TIMEOUTS_MILLIS,
  type Tunnel,
  type TunnelRequest,
  type Waiting,
} from "../tunnels/index.ts";
import { judgeEnd, MAX_PLACES } from "./end-verdict.ts";

/** What attaching streams stands on. */
export interface AttachParts extends AcquireParts {
  readonly refusals: ExitRefusals;
  /** How long a request takes at most, in milliseconds. */
  readonly requestTimeout: number;
  /** Something came over a tunnel. */
  readonly onAnswer: () => void;
}

/** What is to be attached. */
export interface Attachment<A> {
  /** `host:port`, as exits are remembered by that refuse it. */
  readonly destination: string;
  readonly needs: ReadonlyArray<ExitNeed>;
  readonly isolation: string;
  /** Asks the exit. */
  readonly ask: (circuit: ClientCircuit) => Effect.Effect<A, StreamFailure>;
  /** Whether what it answered is to be asked elsewhere; then what to say if that fails too. */
  readonly unsatisfied?: (answer: A) => ConnectError | undefined;
}

/** What an exit answered, and through which tunnel. */
export interface Attached<A> {
  readonly answer: A;
  readonly tunnel: Tunnel;
}

/**
 * After how many silent tunnels the next one has to be new. Whoever hangs may be in all that are there, and each would cost its ten seconds;
 * what has just been built has answered.
 */
const MAX_SILENCES = 2;

/** How often one request is tried, over tunnels that do not answer, or end. */
export const MAX_ATTEMPTS = 16;

/**
 * Attaches a stream, or a look-up, to a tunnel, and to others if it fails in a way in which that may help (path-spec 2.3, `EndVerdict`).
 * A tunnel on which an exit does not answer in time gets no new streams, and this one rather asks another exit, and then one to which the
 * way is new.
 */
export const attach = <A>(parts: AttachParts, wanted: Attachment<A>): Effect.Effect<Attached<A>, ConnectError> => {
  const { pool, network, refusals, requestTimeout, onAnswer } = parts;
  const waiting: Waiting = { failure: undefined };
  const attempts = Effect.gen(function* () {
    const { destination, needs, isolation } = wanted;
    const consensus = () => network.table?.consensus.lifetime.validAfter;
    /** Exits that this stream has asked in vain. */
    const tried = new Set<Fingerprint>();
    const avoided = () => {
      const refusing = refusals.against(destination, consensus());
      for (const exit of tried) refusing.add(exit);
      return refusing;
    };
    const silent = new Set<Fingerprint>();
    let silences = 0;
    let openedSince = Number.NEGATIVE_INFINITY;
    let places = 0;
    let refusal: ConnectError | undefined;
    for (let attempt = 0; ; attempt++) {
      const request = (): TunnelRequest => ({ needs, isolation, avoid: avoided(), silent, openedSince });
      const tunnel = yield* acquireTunnel(parts, request, waiting).pipe(
        // That the exits are used up is what the last one of them said.
        Effect.mapError((error) => (error.failure === "no-exit" ? (refusal ?? error) : error)),
      );
      const answer = yield* ask(tunnel, attempt);
      if (answer._tag === "Answered") {
        onAnswer();
        const unsatisfied = wanted.unsatisfied?.(answer.value);
        if (unsatisfied === undefined) return { answer: answer.value, tunnel };
        refusal = unsatisfied;
        places++;
        tried.add(tunnel.exitName);
      } else {
        refusal = answer.error;
        switch (answer.verdict) {
          case "final":
            return yield* refusal;
          case "refused":
            refusals.add(tunnel.exitName, consensus(), destination);
            break;
          case "full":
            refusals.add(tunnel.exitName, consensus());
            pool.retire(tunnel);
            break;
          case "elsewhere":
            places++;
            break;
          case "silent":
            silent.add(tunnel.exitName);
            pool.retire(tunnel);
            if (++silences === MAX_SILENCES) openedSince = parts.now();
            break;
          case "gone":
            // The streams of a circuit hear of its end before the pool does: the next attempt must not find it again.
            if (tunnel.isOver) pool.end(tunnel, refusal.detail ?? "ended");
            break;
        }
        if (answer.verdict !== "silent" && answer.verdict !== "gone") tried.add(tunnel.exitName);
      }
      yield* Effect.logDebug(`tunnel ${tunnel.id}: ${refusal.message}`);
      waiting.failure = refusal;
      if (places >= MAX_PLACES || attempt + 1 >= MAX_ATTEMPTS) return yield* refusal;
    }
  });

  const ask = (tunnel: Tunnel, attempt: number): Effect.Effect<Answer<A>> => {
    const { circuit } = tunnel;
    if (circuit === undefined) return Effect.succeed(gone("the circuit ended"));
    const patience = STREAM_TIMEOUTS_MILLIS[Math.min(attempt, STREAM_TIMEOUTS_MILLIS.length - 1)] ?? requestTimeout;
    return wanted.ask(circuit).pipe(
      Effect.map((value): Answer<A> => ({ _tag: "Answered", value })),
      Effect.catch((failure) =>
        // The streams of a set hear of its end before the circuit does on which they were asked for.
        Effect.succeed<Answer<A>>(tunnel.set?.isOver === true ? gone(failure.message) : answerOf(failure)),
      ),
      Effect.timeoutOrElse({
        duration: Duration.millis(patience),
        orElse: () =>
          Effect.succeed<Answer<A>>({
            _tag: "Failed",
            verdict: "silent",
            error: new ConnectError({ failure: "timeout", detail: "the exit does not answer" }),
          }),
      }),
    );
  };

  return attempts.pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(requestTimeout),
      orElse: () => Effect.fail(waiting.failure ?? new ConnectError({ failure: "timeout" })),
    }),
  );
};

/** What came of asking one exit. */
type Answer<A> =
  | { readonly _tag: "Answered"; readonly value: A }
  | {
      readonly _tag: "Failed";
      readonly verdict: ReturnType<typeof judgeEnd> | "silent" | "gone";
      readonly error: ConnectError;
    };

const gone = (detail: string) =>
  ({
    _tag: "Failed",
    verdict: "gone",
    error: new ConnectError({ failure: "circuit-closed", detail }),
  }) as const;

const answerOf = (failure: StreamFailure): Answer<never> => {
  switch (failure._tag) {
    case "StreamEnded": {
      const { reason } = failure.end;
      return { _tag: "Failed", verdict: judgeEnd(failure.end), error: new ConnectError({ failure: { end: reason } }) };
    }
    case "CircuitGone":
      return gone(failure.message);
    case "StreamsFull":
      return {
        _tag: "Failed",
        verdict: "silent",
        error: new ConnectError({ failure: "resource-limit", detail: "the circuit has as many streams as it may" }),
      };
  }
};
