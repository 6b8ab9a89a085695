import { Effect, Exit, Option } from "effect";
import type { ChannelError, ChannelTarget } from "./channel-manager.ts";
import type { Entropy } from "./entropy.ts";
import { ChannelTimeout } from "./errors.ts";
import { type LocalParty, type OpenedLink, openAsInitiator } from "./open-channel.ts";
import { CONNECT_TIMEOUT } from "./timeouts.ts";
import { type Connection, type Endpoint, type Transport, TransportError } from "./transport.ts";

/** What opening a channel takes. */
export interface DialOptions {
  readonly transport: Transport["Service"];
  readonly local: () => LocalParty;
  readonly onRefused: (remote: Endpoint, error: ChannelError) => void;
}

/** One attempt to open a channel, over all addresses of its target in turn. */
export class Dial {
  private readonly options: DialOptions;
  private readonly target: ChannelTarget;
  private connection: Connection | undefined;

  constructor(options: DialOptions, target: ChannelTarget) {
    this.options = options;
    this.target = target;
  }

  /** Whether an address has answered, so that its relay may count on this channel by now. */
  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** Destroys the connection that was opened, if any. */
  close(): void {
    this.connection?.destroy();
    this.connection = undefined;
  }

  /** Fails with the error of the last address. `close` is to be called in any case when the channel is over. */
  readonly open: Effect.Effect<OpenedLink, ChannelError, Entropy> = Effect.gen({ self: this }, function* () {
    let failure: ChannelError = new TransportError({ kind: "unreachable", code: "NO_ADDRESS", endpoint: NOWHERE });
    for (const endpoint of this.target.endpoints) {
      const attempt = yield* Effect.exit(this.openAt(endpoint));
      if (Exit.isSuccess(attempt)) return attempt.value;
      this.close();
      const error = Exit.findErrorOption(attempt);
      if (Option.isNone(error)) return yield* attempt;
      failure = error.value;
      this.options.onRefused(endpoint, failure);
    }
    return yield* Effect.fail(failure);
  });

  private openAt(endpoint: Endpoint): Effect.Effect<OpenedLink, ChannelError, Entropy> {
    const { transport, local } = this.options;
    return transport.connect(endpoint, { tls: true }).pipe(
      // At once, in the fiber that has it: nothing that interrupts this attempt later can lose it.
      Effect.tap((connection) =>
        Effect.sync(() => {
          this.connection = connection;
        }),
      ),
      Effect.timeoutOrElse({
        duration: CONNECT_TIMEOUT,
        orElse: () => Effect.fail(new ChannelTimeout({ step: "connect" })),
      }),
      Effect.flatMap((connection) => openAsInitiator(connection, local(), this.target)),
    );
  }
}

const NOWHERE: Endpoint = { host: "", port: 0 };
