import { Effect, type Scope } from "effect";
import type { LinkReader } from "./inlet.ts";
import type { LinkWriter } from "./link.ts";
import type { Signal } from "./signal.ts";

/** What crosses one port of a reactor: items of type `A`, and, on a port that is read, an end with an error of type `E`. */
export interface Port<out A, out E = never> {
  /** Only for the type checker. */
  readonly item?: A;
  /** Only for the type checker. */
  readonly error?: E;
}

/** A reactor's ports of one direction, by their names. */
export type Ports = Readonly<Record<string, Port<unknown, unknown>>>;

/** The reading ends that a reactor with these ports is given. */
export type Readers<P extends Ports> = {
  readonly [K in keyof P]: P[K] extends Port<infer A, infer E> ? LinkReader<A, E> : never;
};

/** The writing ends that a reactor with these ports is given. */
export type Writers<P extends Ports> = {
  readonly [K in keyof P]: P[K] extends Port<infer A, infer E> ? LinkWriter<A, E> : never;
};

/** What a reactor must be given before it can run: an end of a link for each of its ports. */
export type Wiring<Reads extends Ports, Writes extends Ports> = Readers<Reads> & Writers<Writes>;

/** A reactor that has all its ports wired, ready to be started by a group. */
export interface WiredReactor<out E = never, out R = never> {
  readonly name: string;
  /** Names of the ports that are read, and of those that are written. For the topology. */
  readonly reads: ReadonlyArray<string>;
  readonly writes: ReadonlyArray<string>;
  /** The ends of links by port. For the topology. */
  readonly wiring: Readonly<Record<string, LinkReader<unknown, unknown> | LinkWriter<never, never>>>;
  /** Its whole life; a defect of a reactor in turns, which has none of its own. */
  readonly run: Effect.Effect<unknown, E, R>;
  /** If it is a reactor in turns. */
  readonly turns?: Turns<E>;
}

/** What there is to know of a reactor in turns. */
export interface Turns<out E = never> {
  /** What begins a turn. */
  readonly signal: Signal;
  /** Whether its turns come when no other reactor has something to do. */
  readonly isLast: boolean;
  /** Makes its state; to be called before the first turn. */
  readonly begin: () => Turn<E>;
}

/**
 * A turn: does what there is to do, in plain code, and returns. `undefined` if nothing is left: the next turn begins with the next
 * notification. Otherwise an effect, which runs in a fiber: if it succeeds, another turn follows; if it fails, dies or is interrupted
 * it ends the reactor, as does whatever the turn throws.
 */
export type Turn<out E = never> = () => Effect.Effect<void, E> | undefined;

/**
 * A reactor: a fiber that owns some state and runs until it ends, and meets others only through links and read-only views.
 *
 * It declares by name and type what it reads and what it writes. `wire` takes one end of a link for each port; a missing
 * port, a reading end where it writes, or a link of another type does not compile.
 */
export interface Reactor<Reads extends Ports, Writes extends Ports, E = never, R = never> {
  readonly name: string;
  readonly wire: (wiring: Wiring<Reads, Writes>) => WiredReactor<E, Exclude<R, Scope.Scope>>;
}

/** How a reactor is declared. */
export interface ReactorOptions<Reads extends Ports, Writes extends Ports, E, R> {
  /** Unique within its group; it is the name in logs, in `GroupEnd` and in the topology. */
  readonly name: string;
  readonly reads: Reads;
  readonly writes: Writes;
  /**
   * The reactor's whole life, called once for each start. However it ends (success, failure, defect, interruption), its group
   * ends with it. A `Scope` that it requires is the group's: what it acquires is released when the group is torn down.
   */
  readonly run: (ports: Wiring<Reads, Writes>) => Effect.Effect<unknown, E, R>;
}

/** How a reactor in turns is declared; `Of` is what each instance is given. */
export interface TurnsOptions<Of, Reads extends Ports, Writes extends Ports, E> {
  /** Unique within its group; it is the name in logs, in `GroupEnd` and in the topology. */
  readonly name: string;
  readonly reads: Reads;
  readonly writes: Writes;
  /** What begins a turn: all links that the reactor reads notify it, and so does whoever else has something for the reactor. */
  readonly signal: (of: Of) => Signal;
  /** Its turns come when no other reactor has something to do: for one that gathers what the others make. @default false */
  readonly isLast?: boolean;
  /**
   * Makes the reactor's state, when it first has something to do, and answers with what a turn does: take from everywhere it reads
   * until nothing is left, and return. What cannot go on because a link is full returns too: {@link LinkWriter.waitsForRoom}.
   */
  readonly turn: (of: Of, ports: Wiring<Reads, Writes>) => Turn<E>;
}

/** A wired reactor in turns: an object of few words, since each circuit has two. */
class WiredTurns<Of, Reads extends Ports, Writes extends Ports, E> implements WiredReactor<E>, Turns<E> {
  readonly wiring: WiredReactor<E>["wiring"];
  readonly signal: Signal;
  readonly #of: Of;
  readonly #declared: DeclaredTurns<Of, Reads, Writes, E>;

  constructor(declared: DeclaredTurns<Of, Reads, Writes, E>, of: Of, wiring: Wiring<Reads, Writes>) {
    this.#declared = declared;
    this.#of = of;
    this.wiring = wiring as never;
    this.signal = declared.options.signal(of);
  }

  get turns(): Turns<E> {
    return this;
  }

  get name(): string {
    return this.#declared.options.name;
  }

  get reads(): ReadonlyArray<string> {
    return this.#declared.reads;
  }

  get writes(): ReadonlyArray<string> {
    return this.#declared.writes;
  }

  get isLast(): boolean {
    return this.#declared.options.isLast === true;
  }

  begin(): Turn<E> {
    return this.#declared.options.turn(this.#of, this.wiring as never);
  }

  get run(): Effect.Effect<never> {
    return Effect.die(new Error(`${this.name} runs in turns`));
  }
}

interface DeclaredTurns<Of, Reads extends Ports, Writes extends Ports, E> {
  readonly options: TurnsOptions<Of, Reads, Writes, E>;
  readonly reads: ReadonlyArray<string>;
  readonly writes: ReadonlyArray<string>;
}

const ANY_PORT = {};

export const Reactor = {
  /** Declares a port by the type of its items, and of the error that may end it. */
  port: <A, E = never>(): Port<A, E> => ANY_PORT,

  /**
   * Declares a reactor.
   *
   * @example
   * const double = Reactor.make({
   *   name: "double",
   *   reads: { numbers: Reactor.port<number>() },
   *   writes: { doubled: Reactor.port<number>() },
   *   run: ({ numbers, doubled }) =>
   *     Effect.gen(function* () {
   *       while (true) yield* doubled.offer(2 * (yield* numbers.take));
   *     }),
   * });
   * const wired = double.wire({ numbers: a.reader, doubled: b.writer });
   */
  make: <const Reads extends Ports, const Writes extends Ports, E, R>(
    options: ReactorOptions<Reads, Writes, E, R>,
  ): Reactor<Reads, Writes, E, R> => {
    const reads = Object.keys(options.reads);
    const writes = Object.keys(options.writes);
    return {
      name: options.name,
      wire: (wiring) => ({
        name: options.name,
        reads,
        writes,
        wiring: wiring as never,
        // Suspended, so that each start begins with fresh state, and what `run` throws is the reactor's defect.
        run: Effect.suspend(() => options.run(wiring)) as Effect.Effect<unknown, E, Exclude<R, Scope.Scope>>,
      }),
    };
  },

  /**
   * Declares a reactor in turns: plain code that is called when there is something to do, so thousands that are idle cost little, and a
   * turn costs a call. It has a fiber only while it waits for an effect. Its state lives in what `turn` closes over.
   *
   * @returns makes the reactor of one instance
   *
   * @example
   * const counter = Reactor.turns({
   *   name: "counter",
   *   reads: { numbers: Reactor.port<number>() },
   *   writes: {},
   *   signal: (signal: Signal) => signal,
   *   turn: (_, { numbers }) => {
   *     let sum = 0;
   *     return () => {
   *       for (let taken = numbers.takeUnsafe(); taken !== undefined; taken = numbers.takeUnsafe()) {
   *         if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
   *         sum += taken.value;
   *       }
   *       return undefined;
   *     };
   *   },
   * });
   * const wired = counter(Signal.make()).wire({ numbers: a.reader });
   */
  turns: <Of, const Reads extends Ports, const Writes extends Ports, E = never>(
    options: TurnsOptions<Of, Reads, Writes, E>,
  ): ((of: Of) => Reactor<Reads, Writes, E>) => {
    const declared = { options, reads: Object.keys(options.reads), writes: Object.keys(options.writes) };
    return (of) => ({ name: options.name, wire: (wiring) => new WiredTurns(declared, of, wiring) });
  },
};
