import { assert, beforeAll, describe, it } from "@effect/vitest";
import { describeWithTor } from "../network/vitest.ts";
import { strayCalls, strayPackets } from "./support/leaks.ts";
import { inNamespace, namespaceMissing } from "./support/namespace.ts";
import type { NamespaceReport } from "./support/namespace-main.ts";

const missing = namespaceMissing();
const required = process.env["ALLIUM_REQUIRE_TOR"] === "1";
if (missing !== undefined && !required)
  console.error(`SKIPPED: "what leaves a client" needs a network namespace. ${missing}`);

describe.runIf(missing === undefined || required)("what leaves a client", () => {
  describeWithTor("in a network namespace that has nothing but loopback", () => {
    let report: NamespaceReport;

    beforeAll(async () => {
      assert.isUndefined(missing);
      report = await inNamespace<NamespaceReport>("namespace-main.ts");
    }, 400_000);

    it("was looked for while all that may go well or wrong did", () => {
      const { stages } = report;
      const works = { transfers: "equal", "a name is resolved": "127.0.0.1", "an address is resolved": "back.test" };
      const wrong = {
        "an unknown name": "host unreachable",
        "an unknown name is resolved": "host unreachable",
        localhost: "host unreachable",
        garbage: "survived",
      };
      const broken = {
        "after the exit was killed": "equal",
        "while the middle hangs": "equal",
        "after the guard was killed": "equal",
        "after the network was back": "equal",
        "the end": "code 0",
      };
      assert.deepInclude(stages, { ...works, ...wrong, ...broken });
      assert.strictEqual(stages["fetch"], "0: a page");
      assert.include(stages["fetch of an unknown name"], "1: nowhere.test: the exit could not resolve the name");
      assert.match(stages["fetch without a network"] ?? "", /^1: .*(no network|no guard can be reached)/s);
    });

    it("is connections to relays alone, by its system calls", () => {
      const { calls, allowed, directory } = report;
      for (const program of ["proxy", "fetch"] as const) {
        const connects = calls[program].filter((line) => /connect\(.*AF_INET/.test(line));
        assert.isNotEmpty(connects, "it was traced");
        assert.deepStrictEqual(strayCalls(calls[program], allowed, directory), []);
      }
    });

    it("is nothing else, by the packets of everybody there: no datagram, no question for a name", () => {
      const { packets, allowed, dropped } = report;
      assert.match(dropped, /^0 packets dropped/);
      assert.isTrue(
        packets.some((line) => allowed.orPorts.some((port) => line.includes(`> 127.0.0.1.${port}: Flags [S]`))),
        "connections were captured",
      );
      assert.deepStrictEqual(strayPackets(packets, allowed), []);
    });

    it("reaches a destination from an exit only", () => {
      assert.isNotEmpty(report.visitors);
      for (const visitor of report.visitors) assert.match(visitor, /^exit\d$/);
    });

    it("would be found: a program that looks up a name and connects past the tunnel is, each way", () => {
      const { leaked, allowed, calls, directory } = report;
      const stray = strayCalls(calls.leak, allowed, directory).join("\n");
      assert.match(stray, /openat\(.*"\/etc\/hosts"/);
      assert.match(stray, /socket\(AF_INET, SOCK_DGRAM/);
      assert.match(stray, /connect\(.*sin_port=htons\(53\)/);
      assert.match(strayPackets(leaked.packets, allowed).join("\n"), /> 127\.0\.0\.1\.53: /);
      assert.include(leaked.visitors, "somebody else");
    });
  });
});
