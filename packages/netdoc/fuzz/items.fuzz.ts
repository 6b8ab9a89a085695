import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import { ItemReader, NetdocError, Source } from "../src/index.ts";
import { fixture, nearlyRight, tolerate } from "./support.ts";

const seeds = [
  Buffer.from("letter a  b\t\n-----BEGIN A B-----\nAAAA\n-----END A B-----\nopt x\n\n@note\nlast\n"),
  fixture("accepted/router-descriptor").subarray(0, 900),
];

/** Items as they come, with every getter asked for. */
const items: FuzzTarget = {
  name: "netdoc items",
  run: (random) => {
    const text = nearlyRight(random, random.pick(seeds));
    tolerate(() => {
      const source = Source.of("extra-info document", text);
      const reader = new ItemReader(source, { annotations: random.oneIn(2) });
      let end = 0;
      for (let item = reader.next(); item !== undefined; item = reader.next()) {
        // Items lie behind each other, and their parts within them.
        if (item.start < end || item.end <= item.start || item.lineEnd >= item.end) throw new Error("items overlap");
        end = item.end;
        if (item.words.length > 0 && item.argumentStart(item.words.length - 1) >= item.lineEnd)
          throw new Error("an argument lies behind its line");
        if (item.freeText.includes("\n")) throw new Error("free text has lines");
        if (item.object !== undefined) tolerate(() => item.objectBytes());
      }
    });
    try {
      new ItemReader(Source.of("extra-info document", text)).next();
    } catch (error) {
      if (!(error instanceof NetdocError)) throw error;
      const lines = text.toString("latin1").split("\n");
      const line = lines[error.line - 1];
      if (line === undefined || error.column < 1 || error.column > line.length + 1)
        throw new Error(`an error outside the text: ${error.message}`);
    }
  },
};

export const targets: ReadonlyArray<FuzzTarget> = [items];
