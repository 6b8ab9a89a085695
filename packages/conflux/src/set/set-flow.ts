import type { StreamsFlow } from "@allium/circuit";
import type { LegSelection } from "../schedule/leg-selection.ts";
import type { LegView } from "../schedule/leg-view.ts";
import type { SendSequence } from "../sequence/send-sequence.ts";
import type { Leg } from "./leg.ts";
import type { Resending } from "./resending.ts";

/** The legs of a set that may be sent on, and how one is chosen. */
export interface Choosing {
  readonly legs: ReadonlyArray<Leg>;
  readonly views: ReadonlyArray<LegView>;
  readonly selection: LegSelection;
  readonly sending: SendSequence;
  /** What has to be sent again, before anything new. */
  readonly resending: Pick<Resending, "isDue"> | undefined;
}

/**
 * Flow control of a set, to the reactor of its streams: there is room if there is on the leg that is chosen, and what is packaged
 * then is that leg's. So streams are read only while something can be sent.
 */
export class SetFlow implements StreamsFlow {
  readonly sending: StreamsFlow["sending"];
  readonly budget: SetFlow = this;
  /** The leg that what is packaged next goes to. */
  chosen: Leg | undefined = undefined;
  /** DATA cells packaged for it since they were last taken. */
  data = 0;
  /** Whoever packages found no room, and is to be told when there may be. */
  starved = false;
  private readonly choosing: Choosing;

  constructor(choosing: Choosing, first: Leg) {
    const { sendmeInc, streamFlow } = first.flow.sending;
    this.choosing = choosing;
    this.sending = {
      sendmeInc,
      streamFlow,
      view: {
        get clockReliable() {
          return choosing.legs.every(({ view }) => view.clockReliable);
        },
      },
    };
  }

  /** DATA cells that may be packaged now, for the leg that this chooses. */
  get room(): number {
    const { legs, views, selection, sending, resending } = this.choosing;
    const view = resending?.isDue === true ? undefined : selection.forData(views, sending.due());
    this.chosen = view === undefined ? undefined : legs.find(({ seen }) => seen === view);
    const room = view?.room ?? 0;
    if (room === 0) this.starved = true;
    return room;
  }

  get packaged(): number {
    return this.data;
  }

  set packaged(data: number) {
    if (this.chosen !== undefined) this.chosen.flow.budget.packaged += data - this.data;
    this.data = data;
  }

  /** What was packaged, and is not taken yet, has no leg any more. */
  giveBack(): void {
    if (this.chosen !== undefined) this.chosen.flow.budget.packaged -= this.data;
    this.chosen = undefined;
  }

  /** What was packaged belongs to another leg after all. */
  move(data: number, from: Leg | undefined, to: Leg): void {
    if (from !== undefined) from.flow.budget.packaged -= data;
    to.flow.budget.packaged += data;
  }
}
