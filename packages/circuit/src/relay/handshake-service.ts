import { CellError, type Create2, type CreateFast } from "@allium/cell";
import { HandshakeError } from "@allium/crypto";
import { Context, type Effect, Exit } from "effect";
import { type Answered, answerCreate, type CreateOptions, UnknownHandshake } from "./handshake.ts";

/** Why a CREATE is not answered: its sender is at fault. */
export type HandshakeRefused = HandshakeError | CellError | UnknownHandshake;

/**
 * Answers CREATEs. The queue in front of it sees to fairness and bounds: it is asked for at most `concurrency` answers at a time.
 */
export interface HandshakeService {
  /** How many are worked on at once; more wait in the queue. */
  readonly concurrency: number;
  /**
   * Answers one. Interrupted when the relay's circuits end, not when the peer gives up meanwhile: then the answer is thrown
   * away. Anything but the errors named is a bug, which costs the circuit. An answer that is an `Exit` is taken on the spot,
   * without a fiber.
   */
  readonly answer: (message: Create2 | CreateFast, options: CreateOptions) => Effect.Effect<Answered, HandshakeRefused>;
}

/** Answers where it is called. */
export const handshakesInline: HandshakeService = {
  // Between two turns of the event loop: less than a millisecond of work.
  concurrency: 4,
  answer: (message, options) => {
    try {
      return Exit.succeed(answerCreate(message, options));
    } catch (cause) {
      return cause instanceof HandshakeError || cause instanceof CellError || cause instanceof UnknownHandshake
        ? Exit.fail(cause)
        : Exit.die(cause);
    }
  },
};

/** Who answers the CREATEs of a relay. @default handshakesInline; a pool of workers is provided in its place */
export const Handshakes = Context.Reference<HandshakeService>("allium/circuit/Handshakes", {
  defaultValue: () => handshakesInline,
});
