import type { PaddingNegotiate } from "@allium/cell";
import { PaddingNegotiateCommand } from "@allium/cell";

/** Consensus parameters of channel padding (padding-spec, "Netflow padding"), times in milliseconds. */
export interface PaddingParams {
  /** `nf_ito_low`: lower bound of the idle time before a padding cell. @default 1500 */
  readonly lowMillis: number;
  /** `nf_ito_high`: upper bound of it. @default 9500 */
  readonly highMillis: number;
  /** `nf_pad_relays`: pad between relays too. @default false */
  readonly padRelays: boolean;
  /** `nf_pad_before_usage`: pad before the channel has carried user traffic. @default true */
  readonly padBeforeUsage: boolean;
}

/** What applies without a consensus. */
export const DEFAULT_PADDING_PARAMS: PaddingParams = {
  lowMillis: 1_500,
  highMillis: 9_500,
  padRelays: false,
  padBeforeUsage: true,
};

/** Padding needs a link protocol that knows PADDING_NEGOTIATE. */
export const PADDING_LINK_PROTOCOL = 5;

/**
 * When a channel sends padding cells, without IO: it pads a connection that has been idle, in both directions, for a random
 * time, so that a network's flow records show no gaps that tell sessions apart (padding-spec 2).
 */
export class ChannelPadding {
  private enabled: boolean;
  private lowMillis = 0;
  private highMillis = 0;
  private timeoutMillis: number | undefined = undefined;
  private readonly toClient: boolean;
  private readonly params: () => PaddingParams;
  private readonly below: (limit: number) => number;

  /**
   * @param toClient whether the other side is a client (it did not authenticate)
   * @param below draws an integer in [0, limit)
   */
  constructor(options: {
    readonly linkProtocol: number;
    readonly toClient: boolean;
    readonly params: () => PaddingParams;
    readonly below: (limit: number) => number;
  }) {
    this.enabled = options.linkProtocol >= PADDING_LINK_PROTOCOL;
    this.toClient = options.toClient;
    this.params = options.params;
    this.below = options.below;
  }

  /** The peer asks for other timeouts, or for none. It may make padding rarer than the consensus says, never denser. */
  onNegotiate(message: PaddingNegotiate): void {
    this.enabled = message.command === PaddingNegotiateCommand.START;
    this.lowMillis = message.itoLowMs;
    this.highMillis = Math.max(message.itoLowMs, message.itoHighMs);
    this.timeoutMillis = undefined;
  }

  /**
   * When to send a padding cell if nothing is transferred until then, in the clock of `lastTransfer` (milliseconds), or
   * `undefined` while the channel does not pad.
   */
  deadline(lastTransfer: number, used: boolean): number | undefined {
    const params = this.params();
    if (!this.enabled || (!this.toClient && !params.padRelays)) return undefined;
    if (!used && !params.padBeforeUsage) return undefined;
    this.timeoutMillis ??= this.drawTimeout(params);
    return this.timeoutMillis === 0 ? undefined : lastTransfer + this.timeoutMillis;
  }

  /** A padding cell went out, or the channel was busy: the next timeout is drawn anew. */
  onTransfer(): void {
    this.timeoutMillis = undefined;
  }

  private drawTimeout(params: PaddingParams): number {
    const low = Math.max(params.lowMillis, this.lowMillis);
    const high = Math.max(params.highMillis, this.highMillis, low);
    if (high === 0) return 0;
    // The larger of two draws: with both ends padding, the first of the two timeouts is about uniform (padding-spec 2.2).
    return high === low ? low : low + Math.max(this.below(high - low), this.below(high - low));
  }
}
