import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import { congestionControl } from "../../src/congestion/make.ts";
import { Micros } from "../../src/congestion/units.ts";
import { streamFlow } from "../../src/flow/make.ts";
import type { FlowAnswer } from "../../src/flow/stream-flow.ts";
import { StreamReceiveWindow } from "../../src/flow/window-flow.ts";
import { xonXoffFlow } from "../../src/flow/xon-xoff-flow.ts";
import { XonXoffSend } from "../../src/flow/xon-xoff-send.ts";
import { defaults as congestion, problemOf } from "../congestion/support.ts";
import { defaults, goodClock } from "./support.ts";

describe("streamFlow", () => {
  it("uses windows with fixed windows, and XON/XOFF with congestion control", () => {
    const fixed = congestionControl(congestion().fixedWindow);
    assert.instanceOf(streamFlow(fixed, defaults, "exit").receive, StreamReceiveWindow);
    const vegas = congestionControl(congestion().vegas);
    assert.instanceOf(streamFlow(vegas, defaults, "exit").send, XonXoffSend);
  });

  it("has the client's threshold at the client, and the exit's at the exit", () => {
    const params = { ...defaults, xoffClientBytes: 100_000, xoffExitBytes: 200_000 };
    const xoffAt = (role: "client" | "exit"): number => {
      const { receive } = xonXoffFlow(params, role, goodClock);
      for (let buffered = 498; ; buffered += 498) {
        if (receive.onDataReceived(buffered, Micros(buffered * 1000)) !== undefined) return buffered;
      }
    };
    assert.approximately(xoffAt("client"), 100_000, 1000);
    assert.approximately(xoffAt("exit"), 200_000, 1000);
  });

  it("checks the other end's XOFFs at the client only", () => {
    assert.strictEqual(
      problemOf(() => xonXoffFlow(defaults, "client", goodClock).send.onXoff()),
      "xoff-early",
    );
    assert.isUndefined(problemOf(() => xonXoffFlow(defaults, "exit", goodClock).send.onXoff()));
  });
});

describe("two ends of a stream with XON/XOFF", () => {
  it.prop(
    "deliver everything, buffer little more than the threshold, and never accuse each other",
    { seed: Schema.Int },
    ({ seed }) => {
      const random = new Random(seed);
      const client = xonXoffFlow(defaults, "client", goodClock);
      const exit = xonXoffFlow(defaults, "exit", goodClock);
      const delayUs = random.pick([0, 10_000, 400_000]);
      /** Bytes per tick of a millisecond: what the circuit carries, and what the application takes. */
      const circuit = 498 * random.pick([1, 10, 100]);
      const application = random.pick([100, 5000, 100_000]);
      const sleepsOneIn = random.pick([20, 1000, 1_000_000]);
      const total = 600_000 + 200 * application;
      const messages: Array<{ readonly at: number; readonly answer: FlowAnswer }> = [];
      let now = random.below(1000);
      let sent = 0;
      let taken = 0;
      let asleepUntil = 0;
      let highest = 0;
      const note = (answer: FlowAnswer | undefined) => {
        if (answer !== undefined) messages.push({ at: now + delayUs, answer });
      };
      for (let idle = 0; taken < total; idle++) {
        if (idle > 5000) assert.fail(`stands still after ${sent} sent and ${taken} taken`);
        now += 1000;
        while (messages[0] !== undefined && messages[0].at <= now) {
          const { answer } = messages.shift()!;
          if (answer._tag === "Xoff") client.send.onXoff();
          else if (answer._tag === "Xon") client.send.onXon(answer.rate, Micros(now));
        }
        for (let room = circuit; room > 0 && sent < total && client.send.room(Micros(now)) > 0; room -= 498) {
          const bytes = Math.min(498, total - sent);
          client.send.onDataSent(bytes, Micros(now));
          sent += bytes;
          note(exit.receive.onDataReceived(sent - taken, Micros(now)));
          highest = Math.max(highest, sent - taken);
        }
        if (random.oneIn(sleepsOneIn)) asleepUntil = now + random.below(100_000);
        if (now < asleepUntil) continue;
        const bytes = Math.min(application, sent - taken);
        if (bytes === 0) continue;
        taken += bytes;
        idle = 0;
        note(exit.receive.onDrained(bytes, sent - taken, Micros(now)));
      }
      assert.strictEqual(sent, total);
      // The threshold, what comes in the grace period of 5 ms and what is under way when the XOFF is.
      const inflight = (7 + delayUs / 1000) * circuit;
      assert.isAtMost(highest, defaults.xoffExitBytes + inflight);
    },
  );
});
