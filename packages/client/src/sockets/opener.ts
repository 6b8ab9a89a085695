import type { Connection } from "@allium/channel";
import { Cause, Clock, Context, Effect, Exit } from "effect";
import { ConnectError } from "../errors.ts";
import type { StreamOptions, Target, TorClientService } from "../tor-client.ts";
import { StreamOpenError } from "./errors.ts";

/** Who opens streams, for programs that know nothing of Effect. Agents and dispatchers are made from one. */
export interface StreamOpener {
  /** What the timeouts of its sockets run on. @default the platform's */
  readonly clock?: Clock.Clock;
  /**
   * Opens a stream; aborting gives it up. The connection is the caller's, to destroy too.
   *
   * Rejects with a {@link StreamOpenError}, or with the signal's reason.
   */
  readonly open: (target: Target, options?: StreamOptions, signal?: AbortSignal) => Promise<Connection>;
}

/**
 * The streams of a client as promises.
 *
 * @param context what the client's work runs under, such as a clock; the platform's if nothing is given
 */
export const plainOpener = (
  client: Pick<TorClientService, "open">,
  context: Context.Context<never> = Context.empty(),
): StreamOpener => {
  const run = plainRunner(context);
  return {
    clock: Context.get(context, Clock.Clock),
    open: async (target, options, signal) => {
      const { connection } = await run(client.open(target, options), signal, (late) => late.connection.destroy());
      return connection;
    },
  };
};

/**
 * Runs what a client can be asked for as promises, that a signal gives up.
 *
 * They reject with a {@link StreamOpenError}, or with the signal's reason.
 */
export const plainRunner = (context: Context.Context<never>) => {
  const run = Effect.runPromiseExitWith(context);
  return async <A, E>(
    effect: Effect.Effect<A, E>,
    signal?: AbortSignal,
    release: (late: A) => void = () => {},
  ): Promise<A> => {
    signal?.throwIfAborted();
    const exit = await run(effect, signal === undefined ? undefined : { signal });
    if (Exit.isSuccess(exit)) {
      if (signal?.aborted !== true) return exit.value;
      // It was there before it could be given up.
      release(exit.value);
      throw signal.reason;
    }
    signal?.throwIfAborted();
    throw errorOf(exit.cause);
  };
};

const errorOf = (cause: Cause.Cause<unknown>): unknown => {
  // Nobody but the client's own end interrupts it else.
  if (Cause.hasInterruptsOnly(cause)) return new StreamOpenError(new ConnectError({ failure: "shutting-down" }));
  const error = Cause.squash(cause);
  return error instanceof ConnectError ? new StreamOpenError(error) : error;
};
