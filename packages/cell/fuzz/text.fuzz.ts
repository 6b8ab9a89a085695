import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  addressOfReverseName,
  CellError,
  formatAddrPort,
  ipFromBytes,
  ipToBytes,
  parseAddrPort,
  parseIp,
  reverseName,
} from "../src/index.ts";
import { randomDestination, randomIp } from "./messages.ts";

/** Text that is nearly `text`, or made of the characters that matter. */
const bend = (random: Random, text: string): string =>
  random.oneIn(4)
    ? Array.from({ length: random.below(30) }, () => random.pick([...":.[]0123456789afFxg-% "])).join("")
    : random.mutate(Buffer.from(text, "latin1")).toString("latin1");

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "address text",
    run: (random) => {
      const ip = randomIp(random);
      assert.deepEqual(parseIp(ip.address), ip);
      const bent = parseIp(bend(random, ip.address));
      if (bent === undefined) return;
      assert.deepEqual(parseIp(bent.address), bent);
      assert.deepEqual(ipFromBytes(ipToBytes(bent.address) as Buffer), bent);
    },
  },
  {
    name: "reverse name",
    run: (random) => {
      const ip = randomIp(random);
      assert.deepEqual(addressOfReverseName(reverseName(ip)), ip);
      const bent = addressOfReverseName(bend(random, reverseName(ip)));
      if (bent !== undefined) assert.deepEqual(addressOfReverseName(reverseName(bent)), bent);
    },
  },
  {
    name: "ADDRPORT",
    run: (random) => {
      const text = formatAddrPort(randomDestination(random), 1 + random.below(65_535));
      try {
        const { destination, port } = parseAddrPort(bend(random, text));
        assert.deepEqual(parseAddrPort(formatAddrPort(destination, port)), { destination, port });
      } catch (error) {
        if (!(error instanceof CellError)) throw error;
      }
    },
  },
];
