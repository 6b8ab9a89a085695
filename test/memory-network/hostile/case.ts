import type { Channel } from "@allium/channel";
import type { ClientCircuit, HopTarget, OpenStream } from "@allium/circuit";
import type { Effect, Scope } from "effect";
import type { PlainClient } from "../client.ts";
import type { MemoryTorNetwork } from "../memory-tor-network.ts";
import type { MemoryRelay } from "../relay.ts";
import type { HostileCircuit, HostileOptions, HostileRelay } from "./hostile-relay.ts";

/** Where on the path of a circuit a hostile relay is. */
export type Place = "guard" | "middle" | "exit";

/** What a case is played on: a client, and a network of which one relay is hostile. */
export interface Stage {
  readonly network: MemoryTorNetwork;
  readonly client: PlainClient;
  readonly hostile: HostileRelay;
}

/** The same, when there is a circuit through the hostile relay. */
export interface CircuitStage extends Stage {
  readonly circuit: ClientCircuit;
  /** The circuit as the hostile relay has it. */
  readonly at: HostileCircuit;
  /** The channel from the client, or the relay before, as the hostile relay has it. */
  readonly channel: Channel;
  /** Writes bytes between two cells of that channel. */
  readonly sendRaw: (bytes: Buffer) => void;
  /** Opens a stream to the echo behind the last hop. */
  readonly open: Effect.Effect<OpenStream>;
}

/** Something that a relay may not do to a client. */
export interface HostileCase {
  readonly what: string;
  readonly place: Place;
  /** Where it stands that it may not. */
  readonly rule: string;
  /** What comes of it: see `outcome.ts`. */
  readonly end: string;
  /** What it does by itself. A function, if it remembers anything. */
  readonly options?: HostileOptions | (() => HostileOptions);
  /** Stands in the place of the relay's listener. */
  readonly instead?: (network: MemoryTorNetwork, relay: MemoryRelay) => Effect.Effect<void, never, Scope.Scope>;
  /** What the client asks the hostile relay for. @default an ntor-v3 handshake */
  readonly hop?: (hop: HopTarget) => HopTarget;
  /** What it does when there is a circuit. */
  readonly act?: (stage: CircuitStage) => Effect.Effect<unknown, never, Scope.Scope> | undefined;
}
