import { type Begin, type BeginDir, DestroyReason, EndReason, type Resolve, type Resolved } from "@allium/cell";
import { type Connection, connectionPair, releaseBytes } from "@allium/channel";
import { ClientCrypto, HandshakeError } from "@allium/crypto";
import { Deferred, Effect, Scope } from "effect";
import { CircuitCore, type CircuitEnd } from "../circuit-core.ts";
import type { CircuitSeat } from "../circuit-seat.ts";
import type { LinkableCircuit } from "../conflux.ts";
import type { CongestionView } from "../congestion/index.ts";
import type { CoreHome } from "../core-home.ts";
import { CircuitClosedByPeer, CircuitProtocolError, errorOfCause, toProtocolError } from "../errors.ts";
import type { HopFlow } from "../hop.ts";
import type { StreamPath } from "../stream-path.ts";
import { refuseStream, type StreamOpener } from "../streams/opener.ts";
import type { ClientCircuit, OpenStream } from "./client-circuit.ts";
import { ClientHandler, type Extending } from "./client-handler.ts";
import { CircuitGone, HopFailed, type HopProblem, StreamEnded, type StreamFailure, StreamsFull } from "./errors.ts";
import {
  beginHop,
  type HopHandshake,
  type HopHome,
  type HopTarget,
  type JoinedHop,
  joinHop,
  specifiersOf,
} from "./hop-handshake.ts";
import { failureOfEnd } from "./stream-failure.ts";

/** What all circuits of a client stand on. */
export interface ClientHome extends CoreHome, HopHome {
  /** A circuit is over, and all is released. */
  readonly onEnd: (circuit: OpenClientCircuit, end: CircuitEnd) => void;
}

/** A circuit of a client: as many hops as it was extended to, and no far side. */
export class OpenClientCircuit extends CircuitCore<ClientHome> implements ClientCircuit, LinkableCircuit {
  readonly far = undefined;
  readonly hops: Array<HopFlow> = [];
  readonly isExtended = false;
  readonly handler: ClientHandler;
  readonly path: Array<JoinedHop> = [];
  private readonly keys = new ClientCrypto(releaseBytes);
  private extending: Extending | undefined = undefined;
  /** By hop: gives it its stream path, once. */
  private readonly installs: Array<Effect.Effect<StreamPath, CircuitGone>> = [];

  constructor(home: ClientHome, id: number, seat: CircuitSeat, first: JoinedHop) {
    super(home, id, seat);
    const { conflux } = home;
    this.handler = new ClientHandler({
      takeExtending: (hop) => this.takeExtending(hop),
      onConflux: conflux === undefined ? undefined : (hop, message) => conflux.onMessage(this, hop, message),
    });
    this.addHop(first);
  }

  get name(): string {
    return `circuit ${this.id}`;
  }

  // What others are told of it.

  get end(): CircuitEnd | undefined {
    const { cause } = this.group;
    return cause === undefined ? undefined : { cause };
  }

  get ended(): Effect.Effect<CircuitEnd> {
    return Effect.map(this.group.ended, ({ cause }) => ({ cause }));
  }

  get streams(): number {
    let sum = 0;
    for (const path of this.paths.all) sum += path?.streams.size ?? 0;
    return sum;
  }

  congestion(hop: number): CongestionView | undefined {
    return this.hops[hop]?.view;
  }

  // What its reactors are given.

  get crypto(): ClientCrypto["inbound"] {
    return this.keys.inbound;
  }

  get outbound(): ClientCrypto["outbound"] {
    return this.keys.outbound;
  }

  makeOpener(): StreamOpener {
    return NO_OPENER;
  }

  // Hops.

  extend(target: HopTarget): Effect.Effect<void, HopFailed> {
    return Effect.suspend(() => {
      const hop = this.path.length;
      const fail = (problem: HopProblem) => new HopFailed({ hop, rsaId: target.rsaId, problem });
      const { home } = this;
      const handshake = beginHop(target, home.congestion(), home.entropy.bytes);
      return this.askForHop(target, handshake).pipe(
        Effect.mapError((end) => fail(problemOfEnd(end))),
        Effect.flatMap((reply) =>
          Effect.try({
            try: () => this.addHop(joinHop(home, target, handshake, reply)),
            catch: (cause) => {
              const error = toHandshakeProblem(cause);
              this.stop(new CircuitProtocolError({ where: "EXTENDED2", detail: error.detail }));
              return fail(error);
            },
          }),
        ),
        Effect.onInterrupt(() => Effect.sync(() => this.stop("finished"))),
      );
    });
  }

  /** Sends EXTEND2, and waits for the relay's half of the handshake. */
  private askForHop(target: HopTarget, { type, request }: HopHandshake): Effect.Effect<Buffer, CircuitEnd> {
    if (type === undefined || this.extending !== undefined) {
      return Effect.die(new Error(type === undefined ? "a hop without an onion key" : "the circuit is being extended"));
    }
    const hop = this.path.length - 1;
    const answered = Deferred.makeUnsafe<Buffer>();
    this.extending = { hop, onExtended: (handshake) => Deferred.doneUnsafe(answered, Effect.succeed(handshake)) };
    const message = {
      _tag: "EXTEND2",
      linkSpecifiers: specifiersOf(target),
      handshakeType: type,
      handshake: request,
    } as const;
    return this.commands.offer({ _tag: "Send", hop, early: true, message }).pipe(
      // The link ends with the circuit.
      Effect.catch(() => Effect.void),
      Effect.andThen(
        Effect.raceFirst(
          Deferred.await(answered),
          Effect.flatMap(this.ended, (end) => Effect.fail(end)),
        ),
      ),
    );
  }

  private takeExtending(hop: number): Extending | undefined {
    const { extending } = this;
    if (extending?.hop !== hop) return undefined;
    this.extending = undefined;
    return extending;
  }

  private addHop(hop: JoinedHop): void {
    this.keys.addHop(hop.keys);
    this.hops.push(hop.flow);
    this.path.push(hop);
  }

  // Streams.

  open(message: Begin | BeginDir, hop = this.path.length - 1): Effect.Effect<OpenStream, StreamFailure> {
    return this.request(hop, message, (succeed) => {
      const [application, stream] = connectionPair();
      return {
        connection: stream,
        onConnected: (connected) => succeed({ connection: application, connected }),
        onEnd: (end) => {
          const failure = failureOfEnd(end);
          if (failure === undefined) stream.end();
          else stream.fail(failure);
        },
      };
    });
  }

  resolve(message: Resolve, hop = this.path.length - 1): Effect.Effect<Resolved, StreamFailure> {
    return this.request(hop, message, (succeed) => ({ onResolved: succeed }));
  }

  private request<A>(
    hop: number,
    message: Begin | BeginDir | Resolve,
    prepare: (succeed: (value: A) => void) => StreamParts,
  ): Effect.Effect<A, StreamFailure> {
    return Effect.flatMap(this.pathOf(hop), ({ streams }) =>
      Effect.callback<A, StreamFailure>((resume) => {
        const parts = prepare((value) => resume(Effect.succeed(value)));
        const id = streams.request(message, parts.connection, {
          onConnected: parts.onConnected ?? (() => {}),
          onResolved: parts.onResolved ?? (() => {}),
          onEnd: (end) => {
            parts.onEnd?.(end);
            // The first word counts: if it was open, this one says nothing to who has opened it.
            resume(Effect.fail(this.gone ?? new StreamEnded({ end })));
          },
        });
        if (id === undefined) resume(Effect.fail(new StreamsFull({ circuit: this.name })));
        return Effect.sync(() => {
          if (id !== undefined) streams.close(id, EndReason.MISC);
        });
      }),
    );
  }

  /** The stream path of a hop, installed when it is first asked for. */
  private pathOf(hop: number): Effect.Effect<StreamPath, CircuitGone> {
    return Effect.suspend(() => {
      const { gone } = this;
      if (gone !== undefined) return Effect.fail(gone);
      const path = this.paths.get(hop);
      if (path !== undefined) return Effect.succeed(path);
      this.installs[hop] ??= Effect.runSync(Effect.cached(Effect.uninterruptible(this.install(hop))));
      return this.installs[hop];
    });
  }

  private install(hop: number): Effect.Effect<StreamPath, CircuitGone> {
    const flow = this.hops[hop];
    if (flow === undefined) return Effect.die(new Error(`${this.name} has no hop ${hop}`));
    return this.home.streams.direct(this.circuit, hop, flow).pipe(
      Effect.tap((path) => this.paths.install(hop, "direct", path)),
      Effect.catchTag("GroupClosed", () => Effect.flatMap(this.ended, (end) => Effect.fail(new CircuitGone({ end })))),
      Effect.provideService(Scope.Scope, this.group.scope),
    );
  }

  // Its end.

  /** Who began a circuit gives no reason for its end, as `tor`: it would tell the relays about the client. */
  protected override leave(): void {
    this.near.destroy(DestroyReason.NONE);
  }

  /** What streams are told if it has ended. */
  private get gone(): CircuitGone | undefined {
    const { end } = this;
    return end === undefined ? undefined : new CircuitGone({ end });
  }

  protected onReleased(end: CircuitEnd): void {
    this.home.onEnd(this, end);
  }
}

/** Nobody opens streams towards a client. Its applications get what came for a stream that they have closed, and then the end. */
const NO_OPENER: StreamOpener = {
  begin: () => Effect.fail(refuseStream(EndReason.EXITPOLICY)),
  beginDirectory: Effect.fail(refuseStream(EndReason.NOTDIRECTORY)),
  resolve: () => Effect.succeed([]),
  linger: (connection) => connection.end(),
};

/** What a request for a stream is made of. */
interface StreamParts {
  readonly connection?: Connection;
  readonly onConnected?: (message: OpenStream["connected"]) => void;
  readonly onResolved?: (message: Resolved) => void;
  readonly onEnd?: (end: StreamEnded["end"]) => void;
}

/** What a circuit's end says of the hop that was to be added. */
const problemOfEnd = (end: CircuitEnd): HopProblem => {
  const error = errorOfCause(end.cause);
  return error instanceof CircuitClosedByPeer ? { _tag: "Closed", reason: error.reason } : { _tag: "Ended", end };
};

/** What is wrong with a relay's half of a handshake. Anything else that was thrown is a bug and goes on. */
export const toHandshakeProblem = (cause: unknown): Extract<HopProblem, { readonly _tag: "Handshake" }> => ({
  _tag: "Handshake",
  detail: cause instanceof HandshakeError ? cause.message : toProtocolError(cause).message,
});
