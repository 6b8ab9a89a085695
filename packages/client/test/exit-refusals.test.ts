import type { Fingerprint } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { MAX_REMEMBERED_REFUSALS } from "../src/tunnels/exit-refusals.ts";
import { ExitRefusals } from "../src/tunnels/index.ts";

const exit = (number: number): Fingerprint => number.toString(16).padStart(40, "0").toUpperCase() as Fingerprint;
const [ours, other] = [exit(1), exit(2)];

describe("an exit that has refused", () => {
  it("is not asked for that destination again, or not at all if it has no room", () => {
    const refusals = new ExitRefusals();
    refusals.add(ours, 1, "example.com:80");
    refusals.add(other, 1);
    assert.deepStrictEqual([...refusals.against("example.com:80", 1)], [ours, other]);
    assert.deepStrictEqual([...refusals.against("example.com:443", 1)], [other]);
  });

  it("is asked again under the next consensus", () => {
    const refusals = new ExitRefusals();
    refusals.add(ours, 1, "example.com:80");
    assert.strictEqual(refusals.against("example.com:80", 2).size, 0);
    assert.strictEqual(refusals.size, 0);
    refusals.add(other, 2);
    assert.deepStrictEqual([...refusals.against("example.com:80", 2)], [other]);
  });

  it("is forgotten if too many others have refused since", () => {
    const refusals = new ExitRefusals();
    for (let number = 0; number <= MAX_REMEMBERED_REFUSALS; number++) refusals.add(exit(number), 1);
    assert.strictEqual(refusals.size, MAX_REMEMBERED_REFUSALS);
    const refusing = refusals.against("example.com:80", 1);
    assert.isFalse(refusing.has(exit(0)));
    assert.isTrue(refusing.has(exit(MAX_REMEMBERED_REFUSALS)));
  });
});
