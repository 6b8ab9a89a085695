import {
  CellError,
  ChannelCommand,
  DestroyReason,
  type Extend2,
  type ForwardMessage,
  RelayCommand,
  type RelayMessageView,
  readForwardMessage,
} from "@allium/cell";
import { type ChannelManager, type CircuitSignals, slabBytes } from "@allium/channel";
import type { LinkWriter } from "@allium/kernel";
import { Effect, type Fiber, Scope } from "effect";
import type { CircuitContext } from "../circuit-context.ts";
import type { ConfluxMessage } from "../conflux.ts";
import { CircuitProtocolError, toProtocolError } from "../errors.ts";
import type { FarSide } from "../far-side.ts";
import type { HopFlow } from "../hop.ts";
import type { IngressError, IngressHandler } from "../ingress.ts";
import type { EgressCommand } from "../messages.ts";
import type { StreamHandling, StreamPaths } from "../stream-path.ts";
import { opensStream } from "../streams/stream-map.ts";
import { type ExtendPolicy, extend, extendTarget, type PreviousHop } from "./extend.ts";

/** What a relay's handler stands on. */
export interface RelayHandlerOptions {
  readonly circuit: CircuitContext;
  /** Who links the circuit with others, if anybody does. */
  readonly onConflux: ((message: ConfluxMessage) => Effect.Effect<void, IngressError>) | undefined;
  readonly flow: HopFlow;
  readonly paths: StreamPaths;
  readonly far: FarSide;
  readonly commands: LinkWriter<EgressCommand>;
  readonly channels: ChannelManager["Service"];
  readonly streams: StreamHandling["Service"];
  readonly policy: ExtendPolicy;
  readonly previous: PreviousHop;
  /** Woken by what the far channel brings. */
  readonly farSignals: CircuitSignals;
  /** Told of each DROP. */
  readonly onDrop: () => void;
  /** Runs an effect in a fiber. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
}

// What a relay does with a message of the circuit:
//
// | message | effect |
// | --- | --- |
// | EXTEND2 | in RELAY_EARLY only: opens the far side; EXTENDED2 follows from egress |
// | TRUNCATE | closes the far side, TRUNCATED follows |
// | DROP, PADDING_NEGOTIATE, unknown | dropped |
// | CONFLUX_LINK and its kin | for who links circuits; a violation where conflux is not offered |
// | EXTEND2 on a leg of a conflux set | a violation: what the circuit's streams lead to would be open to doubt |
// | EXTEND; EXTEND2 that is malformed | a violation |
// | malformed otherwise; what only relays send | dropped, as in `tor` |

/** What a relay does with messages of the circuit and with cells that are not for it. */
export const relayHandler = (options: RelayHandlerOptions): IngressHandler => new RelayHandler(options);

class RelayHandler implements IngressHandler {
  readonly dropsWrongStreamIds = true;
  private readonly options: RelayHandlerOptions;
  private earlyLeft = MAX_RELAY_EARLY;

  constructor(options: RelayHandlerOptions) {
    this.options = options;
  }

  onEarly(count: number): void {
    this.earlyLeft -= count;
    if (this.earlyLeft < 0)
      throw new CircuitProtocolError({ where: "RELAY_EARLY", detail: `more than ${MAX_RELAY_EARLY}` });
  }

  onUnrecognized(
    plain: Buffer,
    from: number,
    to: number,
    command: number,
  ): Effect.Effect<void, IngressError> | undefined {
    const { far } = this.options;
    // Asked for is enough, CREATED2 need not have come, as in `tor`: what the next relay makes of it is its affair.
    const next = far.circuit;
    if (next === undefined) {
      return violation("RELAY", "not recognised, and the circuit ends here");
    }
    const slab = plain.length === slabBytes(to - from) ? plain : plain.subarray(slabBytes(from), slabBytes(to));
    const train = { command, count: to - from, slab };
    // Once the far side has ended, nothing is sent any more; egress says why, when it has handled what came before the end.
    return next.sendUnsafe(train) ? undefined : Effect.asVoid(next.send(train));
  }

  onMessage(_hop: number, view: RelayMessageView, command: number): Effect.Effect<void, IngressError> {
    return Effect.flatMap(
      guarded(() => read(view)),
      (message) => (message === undefined ? Effect.void : this.onForward(message, command)),
    );
  }

  onFirstStreamMessage(hop: number, command: number): Effect.Effect<void, IngressError> {
    if (!opensStream(command)) return Effect.void;
    const { circuit, streams, flow, paths } = this.options;
    return Effect.flatMap(streams.direct(circuit, hop, flow), (path) => paths.install(hop, "direct", path)).pipe(
      Effect.catchTag("GroupClosed", () => Effect.interrupt),
      Effect.provideService(Scope.Scope, circuit.group.scope),
    );
  }

  private onForward(message: ForwardMessage, command: number): Effect.Effect<void, IngressError> {
    const { far, commands } = this.options;
    switch (message._tag) {
      case "EXTEND2":
        // As `tor`: an EXTEND2 that did not come in RELAY_EARLY is dropped (tor-spec, "Handling relay_early cells").
        if (command !== ChannelCommand.RELAY_EARLY) return Effect.void;
        if (far.state !== "none") return violation("EXTEND2", "the circuit is extended already");
        if (this.options.paths.state(0) === "conflux") return violation("EXTEND2", "on a leg of a conflux set");
        return this.onExtend(message);
      case "TRUNCATE":
        far.close(DestroyReason.REQUESTED);
        return commands.offer({
          _tag: "Send",
          hop: 0,
          message: { _tag: "TRUNCATED", reason: DestroyReason.REQUESTED },
        });
      case "DROP":
        this.options.onDrop();
        return Effect.void;
      case "CONFLUX_LINK":
      case "CONFLUX_LINKED_ACK":
      case "CONFLUX_SWITCH":
        return this.options.onConflux?.(message) ?? violation(message._tag, "conflux is not offered");
      case "PADDING_NEGOTIATE":
      case "UNRECOGNIZED":
      // Where nobody has agreed to them, they are what nobody knows.
      case "CONFLUX_REWIND":
      case "CONFLUX_LEG_ENDED":
        return Effect.void;
      default:
        return violation(message._tag, "not on this circuit");
    }
  }

  private onExtend(message: Extend2): Effect.Effect<void, IngressError> {
    const { far, commands, channels, policy, previous, farSignals, fork } = this.options;
    return Effect.map(
      guarded(() => extendTarget(message.linkSpecifiers, policy, previous)),
      (target) => {
        far.state = "opening";
        // Beside the reactors: ingress goes on reading while a channel is being found. Its failure ends the circuit, and the end
        // of the circuit, or TRUNCATE, gives it up.
        const fiber = fork(
          Effect.catchTag(extend(channels, far, message, target, farSignals), "ExtendFailed", (error) =>
            Effect.ignore(commands.offer({ _tag: "Fail", error })),
          ),
        );
        // It may have been so quick that there is nothing to give up any more.
        if (far.state === "opening") far.cancel = () => fiber.interruptUnsafe();
      },
    );
  }
}

/** Messages that end the circuit when they are malformed, or not for relays; others are dropped then. */
const STRICT: ReadonlySet<number> = new Set([
  RelayCommand.EXTEND,
  RelayCommand.EXTEND2,
  RelayCommand.CONFLUX_LINK,
  RelayCommand.CONFLUX_LINKED,
  RelayCommand.CONFLUX_LINKED_ACK,
  RelayCommand.CONFLUX_SWITCH,
]);

/** Reads a message of the circuit; `undefined` if it is to be dropped. */
const read = (view: RelayMessageView): ForwardMessage | undefined => {
  try {
    return readForwardMessage(view);
  } catch (cause) {
    if (cause instanceof CellError && !STRICT.has(view.command)) return undefined;
    throw cause;
  }
};

const guarded = <A>(run: () => A) => Effect.try({ try: run, catch: toProtocolError });

const violation = (where: string, detail: string): Effect.Effect<never, CircuitProtocolError> =>
  Effect.fail(new CircuitProtocolError({ where, detail }));

/** RELAY_EARLY cells that a circuit may carry (tor-spec, "Handling relay_early cells"). */
const MAX_RELAY_EARLY = 8;
