import { Reactor, ReactorGroup, Signal } from "@allium/kernel";
import { Effect, Exit } from "effect";

/** Where a socket's bytes wait for the reactor. Owner: the reactor. Bound: `limit` bytes. When full: the socket is paused. */
export class Inbox {
  readonly signal = Signal.make();
  readonly #chunks: Array<Uint8Array> = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Called by the socket. Answers whether it may go on reading. */
  push(chunk: Uint8Array): boolean {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.signal.notify();
    return this.#bytes < this.#limit;
  }

  shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    this.#bytes -= chunk?.length ?? 0;
    return chunk;
  }
}

const receiver = (inbox: Inbox, log: Array<string>) =>
  Reactor.make({
    name: "receiver",
    reads: { commands: Reactor.port<string>() },
    writes: {},
    run: ({ commands }) =>
      Effect.gen(function* () {
        yield* commands.wakes(inbox.signal);
        let open = true;
        while (open) {
          yield* inbox.signal.wait;
          for (let next = commands.takeUnsafe(); open && next !== undefined; next = commands.takeUnsafe()) {
            if (Exit.isSuccess(next)) log.push(`command ${next.value}`);
            else open = false;
          }
          for (let chunk = inbox.shift(); chunk !== undefined; chunk = inbox.shift()) {
            log.push(`${chunk.length} bytes`);
          }
        }
      }),
  });

export const twoInlets = Effect.gen(function* () {
  const log: Array<string> = [];
  const inbox = new Inbox(4096);
  yield* ReactorGroup.run({ name: "edge" }, (group) =>
    Effect.gen(function* () {
      const commands = group.link<string>("commands");
      yield* group.start(receiver(inbox, log).wire({ commands: commands.reader }));
      inbox.push(new Uint8Array(3));
      inbox.push(new Uint8Array(5));
      yield* commands.writer.offer("flush");
      yield* commands.writer.end;
    }),
  );
  return log;
});
