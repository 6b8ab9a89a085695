import { assert, describe, it } from "@effect/vitest";
import { derived } from "../src/derived.ts";

describe("a derived value", () => {
  it("is made when it is first asked for, and anew only when what it is made of is another object", () => {
    let source = { number: 1 };
    let made = 0;
    const twice = derived(
      () => source,
      ({ number }) => {
        made++;
        return { twice: 2 * number };
      },
    );
    assert.strictEqual(made, 0);
    const first = twice();
    assert.strictEqual(twice(), first);
    assert.strictEqual(made, 1);
    source = { number: 1 };
    assert.notStrictEqual(twice(), first);
    source = { number: 4 };
    assert.deepStrictEqual(twice(), { twice: 8 });
    assert.strictEqual(made, 3);
  });

  it("is made of nothing too, once", () => {
    let source: { readonly number: number } | undefined;
    let made = 0;
    const number = derived(
      () => source,
      (present) => {
        made++;
        return present?.number ?? 0;
      },
    );
    assert.deepStrictEqual([number(), number(), made], [0, 0, 1]);
    source = { number: 3 };
    assert.deepStrictEqual([number(), number(), made], [3, 3, 2]);
  });
});
