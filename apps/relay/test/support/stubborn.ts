/** A program that never ends in good order: what a relay would be whose teardown hangs. Takes the time that it gets, in milliseconds. */
import { Console, Effect } from "effect";
import { runMain } from "../../src/run-main.ts";
import { listenForEnd, untilInterrupted } from "../../src/shutdown.ts";

const hangs = Console.error("started").pipe(Effect.andThen(Effect.never), Effect.ensuring(Effect.never));

runMain(
  Effect.andThen(listenForEnd, untilInterrupted(hangs, Number(process.argv[2]), Console.error("ending"))).pipe(
    Effect.scoped,
  ),
);
