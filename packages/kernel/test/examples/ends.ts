import { type GroupEnd, LinkClosed, Reactor, ReactorGroup } from "@allium/kernel";
import { Data, Effect } from "effect";

class PeerVanished extends Data.TaggedError("PeerVanished")<{ readonly peer: string }> {}

const connection = (log: Array<string>) =>
  Reactor.make({
    name: "connection",
    reads: { commands: Reactor.port<string>() },
    writes: {},
    run: ({ commands }) =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(
          Effect.sync(() => log.push("connect")),
          () => Effect.sync(() => log.push("disconnect")),
        );
        while (true) {
          const command = yield* commands.take;
          if (command === "hang up") return yield* new PeerVanished({ peer: "alice" });
          log.push(command);
        }
      }),
  });

export const session = (log: Array<string>) =>
  Effect.gen(function* () {
    const group = yield* ReactorGroup.make<PeerVanished, "shutdown" | "idle">({ name: "session" });
    const commands = group.link<string>("commands");
    yield* group.start(connection(log).wire({ commands: commands.reader }));
    return { group, commands: commands.writer };
  });

export const describeEnd = (end: GroupEnd<PeerVanished, "shutdown" | "idle">): string => {
  switch (end.cause._tag) {
    case "Stopped":
      return `stopped: ${end.cause.reason}`;
    case "ScopeClosed":
      return "the program ends";
    case "ReactorEnded":
      return `${end.cause.reactor} ended with ${end.cause.exit._tag}`;
  }
};

export const hangUp = Effect.gen(function* () {
  const log: Array<string> = [];
  const { group, commands } = yield* session(log);
  yield* commands.offer("hello");
  yield* commands.offer("hang up");
  const end = yield* group.ended;
  const late = yield* Effect.flip(commands.offer("anybody there?"));
  return { log, end: describeEnd(end), closed: late instanceof LinkClosed };
});

export const stop = Effect.gen(function* () {
  const log: Array<string> = [];
  const { group } = yield* session(log);
  const end = yield* group.stop("idle");
  return { log, end: describeEnd(end) };
});
