import { assert, describe, it } from "@effect/vitest";
import { type CpuProfile, samplesOf } from "../../bench/cpu-profile.ts";
import { latestNames, readPerfScript } from "../../bench/perf-script.ts";

const call = (functionName: string, url = "") => ({ functionName, url });

const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: call("(root)"), children: [2, 3] },
    { id: 2, callFrame: call("(idle)") },
    { id: 3, callFrame: call("turn", "file:///ingress.ts"), children: [4] },
    { id: 4, callFrame: call("copy", "node:buffer") },
  ],
  startTime: 1000,
  endTime: 2000,
  samples: [2, 3, 4, 3],
  timeDeltas: [100, 50, 200, 150],
};

describe("a profile of V8", () => {
  it("gives each stack from the leaf up, with the time from its samples to the next ones", () => {
    const samples = samplesOf(PROFILE).map(({ stack, weight }) => [stack.map(({ name }) => name).join(" "), weight]);
    assert.deepStrictEqual(samples, [
      ["(idle) (root)", 50],
      ["turn (root)", 700],
      ["copy turn (root)", 150],
    ]);
  });

  it("bears a clock that stepped back", () => {
    const [idle] = samplesOf({ ...PROFILE, timeDeltas: [100, -7, 200, 150] });
    assert.strictEqual(idle?.stack[0]?.name, "turn");
  });
});

const PERF = `node
\tffffffff81a3b2c0 tcp_sendmsg+0x0 ([kernel.kallsyms])
\tffffffff81a3b2c5 __x64_sys_write+0x15 ([kernel.kallsyms])
\t    7f1e5b uv__try_write+0x2b (/usr/bin/node)
\t    7f2a00 JS:*turn file:///allium/packages/circuit/src/ingress.ts:88:10 (/tmp/perf-7.map)

V8Worker
\t     1b11f93 v8::internal::Scavenger::Process(v8::JobDelegate*) (/usr/bin/node)

node

node
\t    7f2a10 JS:^writeGeneric node:internal/stream_base_commons:146:22 (/tmp/perf-7.map)
\t    7f2a20 [unknown] (/tmp/perf-7.map)
`;

describe("what perf has recorded", () => {
  it("is a stack for each sample, those of the kernel, of the platform and of scripts alike", () => {
    assert.deepStrictEqual(
      readPerfScript(PERF).map(({ stack }) => stack),
      [
        [
          { name: "tcp_sendmsg", file: "" },
          { name: "__x64_sys_write", file: "" },
          { name: "uv__try_write", file: "" },
          { name: "turn", file: "file:///allium/packages/circuit/src/ingress.ts" },
        ],
        [{ name: "v8::internal::Scavenger::Process(v8::JobDelegate*)", file: "" }],
        [
          { name: "writeGeneric", file: "node:internal/stream_base_commons" },
          { name: "[unknown]", file: "" },
        ],
      ],
    );
  });
});

describe("the names that V8 gives perf", () => {
  it("are those of the functions that are there now", () => {
    const map = [
      "1000 100 JS:^old file:///old.ts:1:1",
      "1100 80 JS:^stays file:///stays.ts:1:1",
      "2000 40 JS:*moved file:///moved.ts:1:1",
      "1080 80 JS:*new file:///new.ts:1:1",
      "2000 20 JS:*first file:///first.ts:1:1",
      "2020 20 JS:*second file:///second.ts:1:1",
    ];
    assert.deepStrictEqual(
      latestNames(`${map.join("\n")}\n`)
        .trimEnd()
        .split("\n"),
      [map[3], map[1], map[4], map[5]],
    );
  });
});
