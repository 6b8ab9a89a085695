import { type RelayMessageView, readBackwardMessage, relayCommandName } from "@allium/cell";
import { Effect } from "effect";
import type { ConfluxMessage } from "../conflux.ts";
import { CircuitClosedByPeer, CircuitProtocolError, toProtocolError } from "../errors.ts";
import type { IngressError, IngressHandler } from "../ingress.ts";

// What a client does with a message of the circuit:
//
// | message | effect |
// | --- | --- |
// | EXTENDED2 | from the last hop, if it was asked for: whoever extends the circuit gets it; else a violation |
// | TRUNCATED | the circuit ends: what is behind the hop is gone, and with it what the circuit was made for |
// | CONFLUX_LINKED, CONFLUX_SWITCH | for who links circuits; a violation where nobody does |
// | DROP, PADDING_NEGOTIATED | dropped |
// | anything else, what nobody knows, and what is malformed | a violation: a relay could mark the circuit with what a client overlooks |

/** Who waits for EXTENDED2. */
export interface Extending {
  /** The hop that is asked to extend the circuit: the last one. */
  readonly hop: number;
  readonly onExtended: (handshake: Buffer) => void;
}

/** What a client's handler stands on. */
export interface ClientHandlerOptions {
  /** Who waits for EXTENDED2, if somebody does. Asked when it comes, and told once. */
  readonly takeExtending: (hop: number) => Extending | undefined;
  /** Who links the circuit with others, if anybody does. */
  readonly onConflux: ((hop: number, message: ConfluxMessage) => Effect.Effect<void, IngressError>) | undefined;
}

/** What a client does with messages of the circuit, and with cells that no hop has sent. */
export class ClientHandler implements IngressHandler {
  readonly dropsWrongStreamIds = false;
  private readonly options: ClientHandlerOptions;

  constructor(options: ClientHandlerOptions) {
    this.options = options;
  }

  onEarly(): void {
    // A relay that could send it would have a mark on the circuit that the guard sees (tor-spec, "Handling relay_early cells").
    throw new CircuitProtocolError({ where: "RELAY_EARLY", detail: "towards the client" });
  }

  onUnrecognized(): Effect.Effect<void, IngressError> {
    return violation("RELAY", "not recognised by any hop");
  }

  onFirstStreamMessage(hop: number, command: number): Effect.Effect<void, IngressError> {
    return violation(relayCommandName(command) ?? `relay command ${command}`, `hop ${hop} has no streams`);
  }

  onMessage(hop: number, view: RelayMessageView): Effect.Effect<void, IngressError> {
    const read = Effect.try({ try: () => readBackwardMessage(view), catch: toProtocolError });
    return Effect.flatMap(read, (message): Effect.Effect<void, IngressError> => {
      switch (message._tag) {
        case "EXTENDED2": {
          const extending = this.options.takeExtending(hop);
          if (extending === undefined) return violation("EXTENDED2", `hop ${hop} was not asked for it`);
          extending.onExtended(message.handshake);
          return Effect.void;
        }
        case "TRUNCATED":
          return Effect.fail(new CircuitClosedByPeer({ side: "far", how: "destroy", reason: message.reason }));
        case "CONFLUX_LINKED":
        case "CONFLUX_SWITCH":
          return this.options.onConflux?.(hop, message) ?? violation(message._tag, "conflux is not wanted");
        case "DROP":
        case "PADDING_NEGOTIATED":
          return Effect.void;
        default:
          return violation(message._tag, `on the circuit, from hop ${hop}`);
      }
    });
  }
}

const violation = (where: string, detail: string): Effect.Effect<never, CircuitProtocolError> =>
  Effect.fail(new CircuitProtocolError({ where, detail }));
