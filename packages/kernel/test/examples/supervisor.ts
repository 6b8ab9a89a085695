import { Supervisor, TaskPolicy } from "@allium/kernel";
import { Cause, Data, Effect, Schedule } from "effect";

class Unreachable extends Data.TaggedError("Unreachable")<{ readonly host: string }> {}

let attempts = 0;
const fetchDocuments = Effect.suspend(() =>
  ++attempts < 3 ? Effect.fail(new Unreachable({ host: "mirror" })) : Effect.sleep("1 hour"),
);

const serve = Effect.andThen(Effect.sleep("1 minute"), Effect.die(new Error("lost the port")));

export const program = Effect.gen(function* () {
  const supervisor = yield* Supervisor.make({ name: "program" });
  yield* supervisor.start({ name: "server", run: serve }, TaskPolicy.fatal);
  yield* supervisor.start(
    { name: "fetcher", run: fetchDocuments },
    TaskPolicy.restart<Unreachable>({
      schedule: Schedule.exponential("1 second"),
      maxRestarts: 10,
      window: "1 hour",
      isTransient: (cause) => !Cause.hasDies(cause),
    }),
  );
  return supervisor;
});
