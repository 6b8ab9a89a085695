import type { RelayMessage } from "@allium/cell";
import { type MemoryAccount, QueueAge } from "@allium/kernel";

/** A message of a stream that waits for its cell. */
export interface Reply {
  readonly streamId: number;
  readonly message: RelayMessage;
}

/** What one is charged with: the message and its place, about. */
const REPLY_BYTES = 256;

/** Messages of a hop's streams that go out before any data. Who asks for streams and does not read fills it. */
export class ReplyQueue {
  private readonly memory: MemoryAccount | undefined;
  private readonly replies: Array<Reply> = [];
  /** Made with the first. */
  private age: QueueAge | undefined = undefined;
  private taken = 0;

  /** @param memory charged with what waits */
  constructor(memory: MemoryAccount | undefined) {
    this.memory = memory;
  }

  /** How many wait. */
  get length(): number {
    return this.replies.length;
  }

  /** What they are charged with. */
  get bytes(): number {
    return this.replies.length * REPLY_BYTES;
  }

  /** Adds one. */
  push(reply: Reply): void {
    this.replies.push(reply);
    if (this.memory === undefined) return;
    this.age ??= new QueueAge();
    this.age.note(this.taken, this.taken + this.replies.length, this.memory.adjust(REPLY_BYTES));
  }

  /** Takes the oldest. */
  shift(): Reply | undefined {
    const reply = this.replies.shift();
    if (reply !== undefined) {
      this.taken++;
      this.memory?.adjust(-REPLY_BYTES);
    }
    return reply;
  }

  /** Drops all. */
  clear(): void {
    this.memory?.adjust(-this.bytes);
    this.taken += this.replies.length;
    this.replies.length = 0;
  }

  /** The place in line of the oldest; infinite if none waits. */
  oldest(): number {
    return this.age?.oldest(this.taken) ?? Number.POSITIVE_INFINITY;
  }
}
