import type { HostileCase } from "./case.ts";
import { cellCases } from "./cases/cells.ts";
import { createCases } from "./cases/create.ts";
import { extendCases } from "./cases/extend.ts";
import { linkCases } from "./cases/link.ts";
import { streamCases } from "./cases/streams.ts";

/** What hostile relays do to a client, by what they have to do with. */
export const hostileRelays: ReadonlyArray<{
  readonly title: string;
  readonly cases: ReadonlyArray<HostileCase>;
}> = [
  { title: "On the link", cases: linkCases },
  { title: "Asked for a circuit", cases: createCases },
  { title: "Asked to extend a circuit", cases: extendCases },
  { title: "Cells and channels", cases: cellCases },
  { title: "Streams", cases: streamCases },
];
