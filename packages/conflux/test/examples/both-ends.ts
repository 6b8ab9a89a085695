import { LegSelection, type LegView, lowRtt, OrderedReceiver, SendSequence } from "@allium/conflux";

interface Train {
  readonly cells: number;
}

/** Sends a train of DATA over a set, and returns what the other end may hand on. */
export const over = (
  train: Train,
  legs: ReadonlyArray<LegView>,
  sender: { readonly sequence: SendSequence; readonly selection: LegSelection },
  receiver: OrderedReceiver<Train>,
): ReadonlyArray<Train> => {
  const leg = sender.selection.forData(legs, sender.sequence.due());
  if (leg === undefined) return []; // all windows are full: wait for a SENDME
  const relative = sender.sequence.send(leg.leg, train.cells);
  sender.selection.sent(leg, train.cells);

  if (relative > 0) {
    const violation = receiver.sequence.onSwitch(leg.leg, relative);
    if (violation !== undefined) throw new Error(violation); // ends the set
  }
  const ready: Array<Train> = [];
  const bytes = train.cells * 509;
  if (receiver.receive(leg.leg, train.cells, bytes, train, 0) === "deliver") ready.push(train);
  for (let next = receiver.next(); next !== undefined; next = receiver.next()) ready.push(next);
  return ready;
};

export const newSender = () => ({
  sequence: new SendSequence(),
  selection: new LegSelection(lowRtt, { drainPct: 0 }),
});

export const newReceiver = () => new OrderedReceiver<Train>();
