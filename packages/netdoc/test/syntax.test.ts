import { ItemReader, maxLineLength, NetdocError, type NetdocProblem, SectionKind, Source } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { caught } from "./support/caught.ts";

const letter = new SectionKind("extra-info document", {
  letter: { count: "once", place: "first", min: 1 },
  second: { count: "maybe", place: "second" },
  address: { count: "some", min: 1, max: 2 },
  seal: { count: "maybe", max: 0, object: ["WAX", "TAR"] },
  picture: { count: "any", object: ["PNG"], objectOptional: true },
  text: { count: "maybe", text: true },
  "last-but-one": { count: "maybe", place: "last-but-one" },
  end: { count: "maybe", place: "last" },
} as const);

const read = (input: string | Uint8Array, annotations = false) =>
  letter.read(new ItemReader(Source.of("extra-info document", input), { annotations }));

const items = (input: string, annotations = false) => {
  const reader = new ItemReader(Source.of("extra-info document", input), { annotations });
  const found = [];
  for (let item = reader.next(); item !== undefined; item = reader.next()) found.push(item);
  return found;
};

describe("items", () => {
  it("are a keyword, arguments and perhaps an object", () => {
    const [first, second, third] = items(
      "letter  a\tb  \n-----BEGIN TWO WORDS-----\nAAEC\nAw==\n-----END TWO WORDS-----\nx-unknown-9\nthird a\n",
    );
    assert.strictEqual(first?.keyword, "letter");
    assert.deepStrictEqual(first?.words, ["a", "b"]);
    assert.strictEqual(first?.object?.label, "TWO WORDS");
    assert.deepStrictEqual(first?.objectBytes(), Buffer.from([0, 1, 2, 3]));
    assert.deepStrictEqual(second?.words, []);
    assert.strictEqual(third?.words[0], "a");
  });

  it("may have blank lines between them, and an old opt before the keyword", () => {
    assert.deepStrictEqual(
      items("\n\nopt  one 1\n\ntwo\n\n").map(({ keyword, words }) => [keyword, ...words]),
      [["one", "1"], ["two"]],
    );
    assert.deepStrictEqual(
      items("opt\n").map(({ keyword }) => keyword),
      ["opt"],
    );
    assert.deepStrictEqual(
      items("option a\n").map(({ keyword }) => keyword),
      ["option"],
    );
  });

  it("may have an object without content", () => {
    assert.strictEqual(items("a\n-----BEGIN X-----\n-----END X-----\n")[0]?.objectBytes().length, 0);
  });

  it("are annotations too, where these are expected", () => {
    assert.deepStrictEqual(
      items("@last-listed 2026-01-01\na\n", true).map(({ keyword }) => keyword),
      ["@last-listed", "a"],
    );
  });

  it("keep free text as UTF-8, wherever it stands", () => {
    const section = read("letter a\naddress b\ntext Jörg, 日本\n");
    assert.strictEqual(section.maybe("text")?.freeText, "Jörg, 日本");
  });

  it("may have control characters in free text, and in what nobody knows", () => {
    const section = read("letter a\nx-unknown \x01\naddress b\ntext a\x1bb\r\n");
    assert.strictEqual(section.maybe("text")?.freeText, "a\x1bb\r");
  });

  it("are read from bytes as from text", () => {
    assert.strictEqual(read(Buffer.from("letter a\naddress b\n")).one("letter").words[0], "a");
  });

  it.prop("come back as they were written", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const written = Array.from({ length: 1 + random.below(8) }, () => ({
      keyword: `${random.pick(["a", "Z", "9"])}${"x-".repeat(random.below(4))}`,
      words: Array.from({ length: random.below(5) }, () => random.pick(["1", "a,b", "=", "-----BEGIN", "opt", "é"])),
      object: random.oneIn(3) ? random.bytes(random.below(200)) : undefined,
    }));
    const text = written
      .map(({ keyword, words, object }) => {
        const body = object?.toString("base64").replace(/.{64}/g, "$&\n") ?? "";
        const end = body === "" || body.endsWith("\n") ? "" : "\n";
        const block = object === undefined ? "" : `-----BEGIN A B-----\n${body}${end}-----END A B-----\n`;
        return `${[keyword, ...words].join(random.pick([" ", "\t", "  "]))}\n${block}${random.oneIn(4) ? "\n" : ""}`;
      })
      .join("");
    const found = items(text);
    assert.deepStrictEqual(
      found.map((item) => ({
        keyword: item.keyword,
        words: item.freeText === "" ? [] : item.freeText.split(/[ \t]+/),
        object: item.object === undefined ? undefined : item.objectBytes(),
      })),
      written,
    );
  });
});

describe("annotations", () => {
  it("come before the first item only", () => {
    const error = caught(NetdocError, () => items("@a\nletter a\n@b\n", true));
    assert.deepStrictEqual([error.problem, error.line], ["unexpected-annotation", 3]);
  });
});

describe("sections", () => {
  it("skip what they do not know, and tell who asks", () => {
    const others: Array<string> = [];
    const reader = new ItemReader(
      Source.of(
        "extra-info document",
        "letter a\nx-new\n-----BEGIN NEW-----\n!\n-----END NEW-----\naddress b\naddress c\n",
      ),
    );
    const section = letter.read(reader, undefined, (item) => others.push(item.keyword));
    assert.deepStrictEqual(others, ["x-new"]);
    assert.deepStrictEqual(
      section.all("address").map(({ words }) => words[0]),
      ["b", "c"],
    );
    assert.deepStrictEqual(section.all("picture"), []);
  });

  it("end where they are told to", () => {
    const reader = new ItemReader(Source.of("extra-info document", "letter a\naddress b\nnext\n"));
    letter.read(reader, (keyword) => keyword === "next");
    assert.strictEqual(reader.next()?.keyword, "next");
    assert.strictEqual(reader.next(), undefined);
  });

  it("have objects that are required, and objects that are not", () => {
    const section = read("letter a\nseal\n-----BEGIN TAR-----\nAAAA\n-----END TAR-----\npicture\naddress b\n");
    assert.strictEqual(section.maybe("seal")?.object?.label, "TAR");
    assert.strictEqual(section.all("picture")[0]?.object, undefined);
  });
});

/** For every problem: texts that have it, and where. */
const wrong: Record<
  NetdocProblem,
  ReadonlyArray<readonly [text: string | Buffer, line: number, column: number, keyword?: string]>
> = {
  "not-utf8": [
    [Buffer.from("letter a\ntext \xe9\n", "latin1"), 2, 6],
    [Buffer.from("letter \xc3\xa9\xa9\n", "latin1"), 1, 10],
    [Buffer.from("letter \xf0\x9f\n", "latin1"), 1, 8],
  ],
  "byte-order-mark": [["\ufeffletter a\n", 1, 1]],
  "control-character": [
    ["letter a\nadd\0ress b\n", 2, 4],
    ["letter a\r\n", 1, 9, "letter"],
    ["letter \x7f\n", 1, 8, "letter"],
  ],
  "not-ascii": [["letter é\naddress b\n", 1, 8, "letter"]],
  "missing-newline": [
    ["letter a\naddress b", 2, 10],
    ["letter", 1, 7],
  ],
  "line-too-long": [[`letter ${"x".repeat(maxLineLength)}\n`, 1, 1]],
  "bad-keyword": [
    ["letter a\n addres b\n", 2, 1],
    ["-letter a\n", 1, 1],
    ["let_ter a\n", 1, 4],
    ["opt -letter\n", 1, 5],
  ],
  "unexpected-annotation": [["letter a\n@source b\n", 2, 1]],
  "stray-object": [
    ["-----BEGIN X-----\nAAAA\n-----END X-----\n", 1, 1],
    ["letter a\n\n-----BEGIN X-----\nAAAA\n-----END X-----\n", 3, 1],
  ],
  "bad-object-begin": [
    ["letter a\n-----BEGIN X----\nAAAA\n-----END X----\n", 2, 1],
    ["letter a\n-----BEGIN -----\nAAAA\n-----END -----\n", 2, 1],
    ["letter a\n-----BEGIN X  Y-----\nAAAA\n-----END X  Y-----\n", 2, 1],
  ],
  "bad-object-end": [
    ["letter a\n-----BEGIN X-----\nAAAA\n-----END Y-----\n", 4, 1],
    ["letter a\n-----BEGIN X-----\nAAAA\n-----END X----- \n", 4, 1],
    ["letter a\n-----BEGIN X-----\nAAAA\n", 2, 1],
    ["letter a\n-----BEGIN X-----\nAAAA\n-----BEGIN X-----\n", 4, 1],
  ],
  "unexpected-object": [
    ["letter a\n-----BEGIN X-----\nAAAA\n-----END X-----\n", 2, 1, "letter"],
    ["letter a\nseal\n-----BEGIN X-----\nAAAA\n-----END X-----\n", 3, 1, "seal"],
  ],
  "missing-object": [["letter a\nseal\naddress b\n", 2, 5, "seal"]],
  "bad-object": [
    ["letter a\naddress b\nseal\n-----BEGIN WAX-----\nA_AA\n-----END WAX-----\n", 5, 1, "seal"],
    ["letter a\naddress b\nseal\n-----BEGIN WAX-----\nAAAAA\n-----END WAX-----\n", 5, 1, "seal"],
  ],
  empty: [
    ["", 1, 1, "letter"],
    ["\n\n", 1, 1, "letter"],
  ],
  "missing-item": [
    ["letter a\n", 2, 1, "address"],
    ["address a\n\n", 2, 1, "letter"],
  ],
  "duplicate-item": [["letter a\naddress b\nletter c\n", 3, 1, "letter"]],
  "misplaced-item": [
    ["address b\nletter a\n", 2, 1, "letter"],
    ["letter a\naddress b\nsecond\n", 3, 1, "second"],
    ["letter a\naddress b\nend\naddress c\n", 3, 1, "end"],
    ["letter a\naddress b\nlast-but-one\nx\nend\n", 3, 1, "last-but-one"],
  ],
  "missing-argument": [
    ["letter a\naddress\n", 2, 8, "address"],
    ["letter\naddress a\n", 1, 7, "letter"],
  ],
  "extra-argument": [["letter a\naddress a b  c\n", 2, 14, "address"]],
  "bad-argument": [["letter 2\naddress b\n", 1, 8, "letter"]],
  "unknown-version": [["letter 3\naddress b\n", 1, 8, "letter"]],
};

describe("errors", () => {
  const cases = Object.entries(wrong).flatMap(([problem, texts]) =>
    texts.map(([text, line, column, keyword]) => ({ problem, text, line, column, keyword })),
  );

  it.each(cases)("$problem at $line:$column ($keyword)", ({ problem, text, line, column, keyword }) => {
    const error = caught(NetdocError, () => {
      const section = read(text);
      section.maybe("seal")?.objectBytes();
      const first = section.one("letter");
      if (problem === "unknown-version")
        throw first.error("unknown-version", "is of the future", first.argumentStart(0));
      first.read(0, (word) => (word === "2" ? undefined : word), "anything but two");
    });
    assert.deepStrictEqual(
      { tag: error._tag, problem: error.problem, line: error.line, column: error.column, keyword: error.keyword },
      { tag: "NetdocError", problem: problem as NetdocProblem, line, column, keyword },
    );
    assert.include(error.message, `extra-info document, line ${line}, column ${column}`);
  });

  it("say what was expected of an argument, and where it is missing", () => {
    const item = read("letter a\naddress b\n").one("letter");
    assert.include(caught(NetdocError, () => item.read(1, Number, "a number")).message, "a number is missing");
    assert.strictEqual(item.readOptional(1, Number, "a number"), undefined);
  });
});
