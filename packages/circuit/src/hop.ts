import {
  type AgreedParams,
  type ClockHealth,
  type CongestionControl,
  type CongestionView,
  congestionControl,
  type ReceiveAccount,
  receiveAccount,
} from "./congestion/index.ts";

/**
 * How much DATA may still be packaged for a hop. The one who packages counts what it hands over, egress counts what it has
 * sealed: two counters with one writer each, so that cells on their way between the two are not spent twice.
 */
export class SendBudget {
  /** DATA cells handed to egress so far. Written by whoever packages: the stream reactor, or conflux. */
  packaged = 0;
  /** DATA cells that egress has sealed so far. Written by egress. */
  sealed = 0;
  private readonly view: CongestionView;

  constructor(view: CongestionView) {
    this.view = view;
  }

  /** DATA cells that may be packaged now. */
  get room(): number {
    return Math.max(0, this.view.room - (this.packaged - this.sealed));
  }
}

/** What whoever packages streams has to know of the flow control of their hop, which may lie behind several legs. */
export interface StreamsFlow {
  readonly sending: Pick<CongestionControl, "sendmeInc" | "streamFlow"> & { readonly view: ClockHealth };
  readonly budget: Pick<SendBudget, "packaged" | "room">;
}

/** The flow control of one hop, and who owns which half: `sending` is egress's, `receiving` is ingress's. */
export interface HopFlow {
  readonly agreed: AgreedParams;
  /** Written by egress only; others read `view`. */
  readonly sending: CongestionControl;
  readonly view: CongestionView;
  readonly receiving: ReceiveAccount;
  readonly budget: SendBudget;
}

/** Each part is made when it is first asked for: a circuit that carries no DATA for us needs none. */
class LazyHopFlow implements HopFlow {
  readonly agreed: AgreedParams;
  #sending: CongestionControl | undefined;
  #receiving: ReceiveAccount | undefined;
  #budget: SendBudget | undefined;

  constructor(agreed: AgreedParams) {
    this.agreed = agreed;
  }

  get sending(): CongestionControl {
    this.#sending ??= congestionControl(this.agreed);
    return this.#sending;
  }

  get view(): CongestionView {
    return this.sending.view;
  }

  get receiving(): ReceiveAccount {
    this.#receiving ??= receiveAccount(this.agreed);
    return this.#receiving;
  }

  get budget(): SendBudget {
    this.#budget ??= new SendBudget(this.view);
    return this.#budget;
  }
}

/** The flow control of a hop as it was agreed in its handshake. */
export const makeHopFlow = (agreed: AgreedParams): HopFlow => new LazyHopFlow(agreed);
