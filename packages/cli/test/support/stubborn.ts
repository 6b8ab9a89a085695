/** A program that never ends in good order: what a relay or a client would be whose teardown hangs. Takes the time that it gets, in milliseconds. */
import { Console, Effect } from "effect";
import { listenForEnd, runMain, untilInterrupted } from "../../src/index.ts";

const hangs = Console.error("started").pipe(Effect.andThen(Effect.never), Effect.ensuring(Effect.never));

runMain(
  Effect.andThen(listenForEnd, untilInterrupted(hangs, Number(process.argv[2]), Console.error("ending"))).pipe(
    Effect.scoped,
  ),
);
