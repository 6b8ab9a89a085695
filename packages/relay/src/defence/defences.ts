import { type Channel, type ChannelBound, type ChannelError, type CreateRequest, Entropy } from "@allium/channel";
import {
  type CircuitEnd,
  CircuitLimit,
  type CircuitRefusal,
  errorOfCause,
  type RelayCircuit,
  type StreamAdmission,
} from "@allium/circuit";
import { Memory, type MemoryQuota, QuietLog, type Reclamation } from "@allium/kernel";
import { Effect, type Scope } from "effect";
import type { StreamBound } from "../exit/index.ts";
import { monotonicMillis } from "../monotonic.ts";
import { ClientTable } from "./client-table.ts";
import { type DosCounters, DosDefence } from "./dos-defence.ts";
import type { DosParams } from "./dos-params.ts";
import { QUIET_LOG_MILLIS } from "./limits.ts";
import { Outgoing, type OutgoingBound } from "./outgoing.ts";

// What the log says, each at most once in QUIET_LOG_MILLIS, with how often it has happened. `warn` where the operator can do
// something about it.
const messages = {
  tooManyOfAddress: [
    "info",
    "connections were refused, since their addresses have too many open or open them too fast",
  ],
  handshakesGivenUp: ["info", "incoming connections were given up in their handshakes, since too many were under way"],
  tooManyConnections: [
    "warn",
    "connections were refused, since as many are open as may be. See limits.max_connections",
  ],
  dialsGivenUp: ["info", "connections to other relays were given up, since too many were being opened"],
  tooManyOutgoing: [
    "warn",
    "circuits were not extended, since as many connections to other relays are open as may be. See limits.max_outgoing_connections",
  ],
  circuitsRefused: ["info", "circuits were refused to addresses that ask for too many"],
  circuitsTooMany: [
    "warn",
    "circuits were refused, since their channels had as many as were left. See limits.max_circuits",
  ],
  circuitsOverran: ["info", "circuits were ended, since more waited in them than may"],
  handshakesDropped: [
    "warn",
    "circuits were refused: this machine is too slow for so many. A smaller [bandwidth] rate would bring fewer",
  ],
  answersUnread: ["info", "channels have ended whose peers asked for circuits and did not read the answers"],
  streamsRefused: ["info", "streams were refused on circuits that ask for too many"],
  streamsTooMany: ["info", "streams were refused, since their circuits had as many as they may, or as were left"],
  namesTooMany: ["info", "names were not looked up, since too many were waited for"],
  connectingTooMany: ["info", "streams were refused, since too many attempts to connect were under way"],
  memoryShort: [
    "warn",
    "the memory for what waits has run out: circuits with the oldest bytes were ended. See limits.max_memory",
  ],
} as const;

type Message = keyof typeof messages;

/** What is counted otherwise. */
const COUNTED: ReadonlySet<Message> = new Set(["circuitsRefused", "circuitsOverran", "streamsRefused", "memoryShort"]);

const messageOfBound: Readonly<Record<StreamBound, Message>> = {
  streamsPerCircuit: "streamsTooMany",
  streams: "streamsTooMany",
  directory: "streamsTooMany",
  lookups: "namesTooMany",
  connecting: "connectingTooMany",
};

/** What stands between a relay and floods, as hooks of what they come through. */
export interface Defences {
  /** Where everything that waits is charged. */
  readonly quota: MemoryQuota;
  /** Ends circuits when memory runs out: a background task. */
  readonly keepMemory: Effect.Effect<never>;
  /** Bounds the connections that the relay opens. */
  readonly outgoing: Outgoing;
  /** Whether a connection from an address is let in: see `ChannelManagerConfig.admit`. */
  readonly admitConnection: (address: string) => (() => void) | undefined;
  /** Whether a CREATE is looked at. */
  readonly admitCircuit: (request: CreateRequest) => boolean;
  /** Made for each circuit: whether its next stream is opened. */
  readonly streamsOfCircuit: () => () => StreamAdmission;
  /** A stream or a look-up met a bound of the exit. */
  readonly onStreamBound: (bound: StreamBound) => void;
  /** A channel is open. */
  readonly onChannelOpen: (channel: Channel) => void;
  /** A channel has ended. */
  readonly onChannelEnd: (channel: Channel) => void;
  /** A connection came to nothing. */
  readonly onConnectionRefused: (error: ChannelError) => void;
  /** A CREATE was refused. */
  readonly onCircuitRefused: (refusal: CircuitRefusal) => void;
  /** A circuit has ended. */
  readonly onCircuitEnd: (circuit: RelayCircuit, end: CircuitEnd) => void;
  /** The figures of this moment. */
  readonly counts: () => DefenceCounts;
}

/** Which bound a connection met: `connections` is that of all incoming ones. */
export type ConnectionBound = ChannelBound | OutgoingBound | "connections";

/** What the defences have done so far. */
export interface DefenceCounts {
  readonly dos: Readonly<DosCounters>;
  /** Connections that met a bound, by which. */
  readonly connections: ReadonlyMap<ConnectionBound, number>;
  /** Incoming connections that are open, or in their handshakes. */
  readonly incoming: number;
  /** Connections to other relays that are being opened. */
  readonly opening: number;
  /** How often bounds of this relay's own were met, by which; those that never were are not there. */
  readonly bounds: ReadonlyMap<string, number>;
  /** Circuits that were ended since their inbox overran, by side. */
  readonly overruns: { readonly near: number; readonly far: number };
  /** Circuits that were ended for their memory. */
  readonly endedForMemory: number;
  /** How often memory ran out. */
  readonly shortages: number;
  /** Addresses of clients that are remembered. */
  readonly clients: number;
}

/**
 * Puts the defences together. They last until the scope closes.
 *
 * @param options.params asked each time
 * @param options.maxConnections most incoming connections altogether
 * @param options.maxOutgoing most connections that the relay opens
 * @param options.isRelay whether the network knows a relay at an address: relays are left alone
 */
export const makeDefences = (options: {
  readonly params: () => DosParams;
  readonly isRelay: (address: string) => boolean;
  readonly maxConnections: () => number;
  readonly maxOutgoing: () => number;
}): Effect.Effect<Defences, never, Entropy | Scope.Scope> =>
  Effect.gen(function* () {
    const quota = yield* Memory.Quota;
    const millis = yield* monotonicMillis;
    const { below } = yield* Entropy;
    const context = yield* Effect.context<never>();
    const now = () => Math.floor(millis() / 1_000);
    const { params, isRelay } = options;
    const clients = new ClientTable({ params, now, quota });
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.close()));
    const dos = new DosDefence({ params, now, below, clients, isRelay });
    const bounds = new Map<string, number>();
    const quiet = new QuietLog<Message>({
      intervalMillis: QUIET_LOG_MILLIS,
      now: millis,
      say: (message, times) => {
        const [level, text] = messages[message];
        const line = level === "warn" ? Effect.logWarning(text) : Effect.logInfo(text);
        Effect.runForkWith(context)(Effect.annotateLogs(line, { times }));
      },
    });
    const log = {
      note: (message: Message): void => {
        if (!COUNTED.has(message)) bounds.set(message, (bounds.get(message) ?? 0) + 1);
        quiet.note(message);
      },
    };
    const connections = new Map<ConnectionBound, number>();
    const countConnection = (bound: ConnectionBound): void => {
      connections.set(bound, (connections.get(bound) ?? 0) + 1);
    };
    const outgoing = new Outgoing({
      max: options.maxOutgoing,
      onBound: (bound) => {
        countConnection(bound);
        log.note(bound === "dials" ? "dialsGivenUp" : "tooManyOutgoing");
      },
    });
    /** Incoming connections that have not authenticated as a relay; and those that have. */
    let strangers = 0;
    let relays = 0;
    /** The connection that is being refused was one too many of all. The refusal is told of before the next connection comes. */
    let isCrowded = false;
    const isIncomingRelay = ({ initiated, peer }: Channel): boolean => !initiated && peer !== undefined;
    const overruns = { near: 0, far: 0 };
    let endedForMemory = 0;
    let shortages = 0;

    const onReclaimed = ({ before, after }: Reclamation): void => {
      shortages++;
      log.note("memoryShort");
      Effect.runForkWith(context)(Effect.logDebug("memory was reclaimed", { before, after, limit: quota.limit }));
    };
    return {
      quota,
      keepMemory: Memory.keepWithin(quota, onReclaimed),
      outgoing,
      admitConnection: (address) => {
        isCrowded = strangers + relays >= options.maxConnections();
        const leave = isCrowded ? undefined : dos.enter(address);
        if (leave === undefined) return undefined;
        strangers++;
        return () => {
          strangers--;
          leave();
        };
      },
      admitCircuit: ({ channel }) => channel.peer !== undefined || dos.admitsCircuit(channel.remote.host),
      streamsOfCircuit: () => {
        const admit = dos.streamsOfCircuit();
        return () => {
          const admission = admit();
          if (admission !== "open") log.note("streamsRefused");
          return admission;
        };
      },
      onStreamBound: (bound) => log.note(messageOfBound[bound]),
      onChannelOpen: (channel) => {
        outgoing.onOpen(channel);
        if (isIncomingRelay(channel)) relays++;
      },
      onChannelEnd: (channel) => {
        outgoing.onEnd(channel);
        if (isIncomingRelay(channel)) relays--;
        if (channel.counters.droppedCreates > 0) log.note("answersUnread");
      },
      onConnectionRefused: (error) => {
        if (error._tag !== "ChannelLimit") return;
        const { limit } = error;
        if (limit === "notAdmitted" && isCrowded) {
          countConnection("connections");
          return log.note("tooManyConnections");
        }
        countConnection(limit);
        const isHandshake = limit === "tlsHandshakes" || limit === "linkHandshakes";
        log.note(isHandshake ? "handshakesGivenUp" : "tooManyOfAddress");
      },
      onCircuitRefused: (refusal) => {
        if (refusal === "notAdmitted") log.note("circuitsRefused");
        if (refusal === "tooMany") log.note("circuitsTooMany");
        if (refusal === "queueFull" || refusal === "queueLate") log.note("handshakesDropped");
      },
      onCircuitEnd: ({ near }, { cause }) => {
        if (cause._tag === "Stopped" && cause.reason === "memory") endedForMemory++;
        const error = errorOfCause(cause);
        if (!(error instanceof CircuitLimit) || error.limit === "streams") return;
        overruns[error.limit]++;
        log.note("circuitsOverran");
        const { peer, remote } = near.channel;
        if (error.limit === "near" && peer === undefined) dos.circuitOverran(remote.host);
      },
      counts: () => ({
        dos: { ...dos.counters },
        connections: new Map(connections),
        incoming: strangers + relays,
        opening: outgoing.opening,
        bounds: new Map(bounds),
        overruns: { ...overruns },
        endedForMemory,
        shortages,
        clients: clients.size,
      }),
    };
  });
