import { assert, describe, it } from "@effect/vitest";
import { suggestion } from "../src/index.ts";

const known = ["nickname", "or_port", "address", "exit", "log_level", "log_format"];

describe("a suggestion", () => {
  for (const [word, meant] of [
    ["nikname", "nickname"],
    ["nicknmae", "nickname"],
    ["ORPort", "or_port"],
    ["or-port", "or_port"],
    ["adress", "address"],
    ["exits", "exit"],
    ["exti", "exit"],
    ["loglevel", "log_level"],
    ["log_fromat", "log_format"],
  ] as const)
    it(`for ${word} is ${meant}`, () => assert.strictEqual(suggestion(word, known), meant));

  for (const word of ["password", "x", "", "socks_port"])
    it(`is not made for "${word}", which is like nothing known`, () => assert.isUndefined(suggestion(word, known)));
});
