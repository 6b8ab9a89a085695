import { RelayCommand } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { isMultiplexed, multiplexedCommands } from "../src/index.ts";

// conflux_should_multiplex of `tor`, row by row; cmd_counts_towards_seqno of Arti is the same.
const multiplexed = ["BEGIN", "DATA", "END", "CONNECTED", "RESOLVE", "RESOLVED", "XOFF", "XON"];

describe("commands that count for sequence numbers", () => {
  it.each(Object.entries(RelayCommand))("%s is as with `tor`", (name, command) => {
    assert.strictEqual(isMultiplexed(command), multiplexed.includes(name));
  });

  it("are those of proposal 329, 2.8, and no others", () => {
    assert.sameMembers([...multiplexedCommands], multiplexed);
    const known = new Set<number>(Object.values(RelayCommand));
    for (let command = -1; command <= 300; command++) {
      if (!known.has(command)) assert.isFalse(isMultiplexed(command), `${command}`);
    }
  });
});
