import { layerEntropySeeded } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import {
  type AgreedParams,
  type CongestionControl,
  type CongestionView,
  type HopFlow,
  type Micros,
  makeHopFlow,
  SendBudget,
} from "../../src/index.ts";
import { pattern, readBytes } from "../support/application.ts";
import { aSecond, makeLab, openCircuit, settled } from "../support/lab.ts";

/** Stop and wait: no more in flight than one SENDME acknowledges, whatever the network could carry. */
class StopAndWait implements CongestionControl {
  readonly sendmeInc: number;
  readonly streamFlow = "xon-xoff";
  readonly view: CongestionView;
  mostInFlight = 0;
  sent = 0;
  private inflight = 0;

  constructor(sendmeInc: number) {
    this.sendmeInc = sendmeInc;
    const self = this;
    this.view = {
      algorithm: "fixed-window",
      rttUs: undefined,
      minRttUs: undefined,
      cwnd: sendmeInc,
      get inflight() {
        return self.inflight;
      },
      get room() {
        return self.room();
      },
      inSlowStart: false,
      clockReliable: true,
    };
  }

  room(): number {
    return this.sendmeInc - this.inflight;
  }

  onCellSent(_nowUs: Micros): boolean {
    this.sent++;
    this.inflight++;
    this.mostInFlight = Math.max(this.mostInFlight, this.inflight);
    return this.inflight === this.sendmeInc;
  }

  rememberTag(): void {}

  onSendme(): void {
    this.inflight -= this.sendmeInc;
  }
}

describe("an algorithm of one's own", () => {
  it.effect("governs what a hop is sent, and ingress, egress and streams know nothing of it", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      let mine: StopAndWait | undefined;
      const flow = (agreed: AgreedParams): HopFlow => {
        if (agreed.algorithm !== "vegas") return assert.fail("congestion control was not agreed on");
        mine = new StopAndWait(agreed.sendmeInc);
        const { receiving } = makeHopFlow(agreed);
        return { agreed, receiving, sending: mine, view: mine.view, budget: new SendBudget(mine.view) };
      };
      const circuit = yield* openCircuit(lab, 1, { flow });
      const { connection } = yield* settled(circuit.open(0, "example.com:80"));
      const sent = pattern(7, 200_000);
      connection.write(sent);
      const back = yield* settled(readBytes(connection, sent.length));
      assert.isTrue(back.equals(sent));
      assert.isAbove(mine?.sent ?? 0, 400);
      assert.strictEqual(mine?.mostInFlight, mine?.sendmeInc);
      yield* circuit.group.stop("finished");
      yield* aSecond;
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("swapped"))),
  );
});
