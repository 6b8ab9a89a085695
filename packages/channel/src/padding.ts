import { type PaddingNegotiate, PaddingNegotiateCommand } from "@allium/cell";

/** Consensus parameters of channel padding (padding-spec, "Netflow padding"), times in milliseconds. */
export interface PaddingParams {
  /** `nf_ito_low`: lower bound of the idle time before a padding cell. @default 1500 */
  readonly lowMillis: number;
  /** `nf_ito_high`: upper bound of it; if both are 0 nobody pads. @default 9500 */
  readonly highMillis: number;
  /** `nf_ito_low_reduced`: the lower bound of a client that pads less. @default 9000 */
  readonly reducedLowMillis?: number;
  /** `nf_ito_high_reduced`: the upper bound of a client that pads less. @default 14000 */
  readonly reducedHighMillis?: number;
  /** `nf_pad_relays`: pad between relays too. @default false */
  readonly padRelays: boolean;
  /** `nf_pad_before_usage`: pad before the channel has carried user traffic. @default true */
  readonly padBeforeUsage: boolean;
}

/** What applies without a consensus. */
export const DEFAULT_PADDING_PARAMS: PaddingParams = {
  lowMillis: 1_500,
  highMillis: 9_500,
  reducedLowMillis: 9_000,
  reducedHighMillis: 14_000,
  padRelays: false,
  padBeforeUsage: true,
};

/** Padding needs a link protocol that knows PADDING_NEGOTIATE. */
export const PADDING_LINK_PROTOCOL = 5;

/**
 * What a channel has been used for: nothing, or circuits of one hop, which ask for documents; circuits that are being
 * extended; traffic on those. Channels of the first kind are not padded.
 */
export type ChannelUsage = "none" | "circuits" | "traffic";

/** How a client pads: as the consensus says, seldom and without an answer, or not at all. */
export type PaddingMode = "normal" | "reduced" | "off";

/**
 * When a channel sends padding cells, without IO: it pads a connection that has been idle for a random time, so that a
 * network's flow records show no gaps that tell sessions apart (padding-spec 2).
 */
export class ChannelPadding {
  private enabled: boolean;
  private lowMillis = 0;
  private highMillis = 0;
  /** What was drawn, and for which transfer: each transfer draws anew. */
  private timeoutMillis = 0;
  private drawnFor = Number.NaN;
  private readonly supported: boolean;
  private readonly withClient: boolean;
  private readonly params: () => PaddingParams;
  private readonly below: (limit: number) => number;

  /**
   * @param options.withClient whether one side of the channel is a client (it did not authenticate)
   * @param options.below draws an integer in [0, limit)
   */
  constructor(options: {
    readonly linkProtocol: number;
    readonly withClient: boolean;
    readonly params: () => PaddingParams;
    readonly below: (limit: number) => number;
  }) {
    this.supported = options.linkProtocol >= PADDING_LINK_PROTOCOL;
    this.enabled = this.supported;
    this.withClient = options.withClient;
    this.params = options.params;
    this.below = options.below;
  }

  /** The peer asks for other timeouts, or for none. It may make padding rarer than the consensus says, never denser. */
  onNegotiate(message: PaddingNegotiate): void {
    this.enabled = this.supported && message.command === PaddingNegotiateCommand.START;
    this.setRange(message.itoLowMs, message.itoHighMs);
  }

  /** As a client, pads in this way from now on. Returns what the relay is to be told, if it can be told anything. */
  choose(mode: PaddingMode): PaddingNegotiate | undefined {
    if (!this.supported) return undefined;
    this.enabled = mode !== "off";
    const params = this.params();
    if (mode === "reduced") {
      this.setRange(
        params.reducedLowMillis ?? DEFAULT_REDUCED_LOW_MILLIS,
        params.reducedHighMillis ?? DEFAULT_REDUCED_HIGH_MILLIS,
      );
    } else {
      this.setRange(0, 0);
    }
    // Zeros stand for the relay's own parameters: it need not be told when they change (padding-spec 2.5).
    const command = mode === "normal" ? PaddingNegotiateCommand.START : PaddingNegotiateCommand.STOP;
    return { _tag: "PADDING_NEGOTIATE", command, itoLowMs: 0, itoHighMs: 0 };
  }

  /**
   * When to send a padding cell if nothing is transferred until then, in the clock of `lastTransfer` (milliseconds), or
   * `undefined` while the channel does not pad. The same answer until something is transferred.
   *
   * @param lastTransfer when something last went in either direction: `tor` takes both, which is what makes the time between
   *   two padding cells about uniform when both ends pad (padding-spec 2.3)
   */
  deadline(lastTransfer: number, usage: ChannelUsage): number | undefined {
    const params = this.params();
    if (!this.enabled || (!this.withClient && !params.padRelays)) return undefined;
    if (params.lowMillis === 0 && params.highMillis === 0) return undefined;
    if (usage === "none" || (usage === "circuits" && !params.padBeforeUsage)) return undefined;
    if (this.drawnFor !== lastTransfer) {
      this.timeoutMillis = this.drawTimeout(params);
      this.drawnFor = lastTransfer;
    }
    return lastTransfer + this.timeoutMillis;
  }

  private setRange(lowMillis: number, highMillis: number): void {
    this.lowMillis = lowMillis;
    this.highMillis = highMillis;
    this.drawnFor = Number.NaN;
  }

  private drawTimeout(params: PaddingParams): number {
    const low = Math.max(params.lowMillis, this.lowMillis);
    const high = Math.max(params.highMillis, this.highMillis, low);
    // The larger of two draws: with both ends padding, the first of the two timeouts is about uniform (padding-spec 2.3).
    return high === low ? low : low + Math.max(this.below(high - low), this.below(high - low));
  }
}

const DEFAULT_REDUCED_LOW_MILLIS = 9_000;
const DEFAULT_REDUCED_HIGH_MILLIS = 14_000;
