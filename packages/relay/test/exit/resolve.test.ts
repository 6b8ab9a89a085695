import { type IpAddress, type ResolvedAnswer, reverseName } from "@allium/cell";
import { ExitPolicy } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { ORIGIN, ORIGIN6, resolve, startExit } from "./support/exit.ts";

const address = (text: string): IpAddress => ({ family: text.includes(":") ? 6 : 4, address: text });
const reverse = (text: string) => resolve(reverseName(address(text)));

const NO_SUCH_NAME: ReadonlyArray<ResolvedAnswer> = [{ _tag: "ERROR", transient: false, ttl: 0 }];

describe("RESOLVE", () => {
  it.effect("answers with the first address of each family, IPv4 first, both for the same time", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit();
      names.setAddresses("both.example", [ORIGIN6, ORIGIN, "203.0.113.6", "2001:db8::6"], 3_600);
      const answers = yield* opener.resolve(resolve("both.example"));
      assert.deepEqual(
        answers.map((answer) => answer._tag === "ADDRESS" && answer.address),
        [address(ORIGIN), address(ORIGIN6)],
      );
      const [ttl, ttl6] = answers.map((answer) => answer.ttl);
      assert.isTrue(ttl !== undefined && ttl >= 3_360 && ttl <= 3_840);
      assert.strictEqual(ttl6, ttl);
    }),
  );

  it.effect("answers with IPv6 alone if there is nothing else, and leaves it out at an exit without it", () =>
    Effect.gen(function* () {
      const withIpv6 = yield* startExit();
      const without = yield* startExit({ ipv6: () => false });
      for (const { names } of [withIpv6, without]) {
        names.setAddresses("six.example", [ORIGIN6]);
        names.setAddresses("both.example", [ORIGIN, ORIGIN6]);
      }
      const six = yield* withIpv6.opener.resolve(resolve("six.example"));
      assert.deepEqual(
        six.map((answer) => answer._tag === "ADDRESS" && answer.address),
        [address(ORIGIN6)],
      );
      const none = yield* without.opener.resolve(resolve("six.example"));
      assert.deepEqual(
        none.map(({ _tag }) => _tag),
        ["ERROR"],
      );
      const four = yield* without.opener.resolve(resolve("both.example"));
      assert.deepEqual(
        four.map((answer) => answer._tag === "ADDRESS" && answer.address),
        [address(ORIGIN)],
      );
      assert.deepStrictEqual(without.names.questions, ["A six.example", "A both.example"]);
    }),
  );

  it.effect("tells failures that may pass from those that stay", () =>
    Effect.gen(function* () {
      const { names, opener, status } = yield* startExit();
      names.setFailure("broken.example", "transient");
      names.setFailure("refused.example", "permanent");
      names.setSilent("silent.example");
      const transient = (answers: ReadonlyArray<{ readonly _tag: string }>) => {
        const [only] = answers;
        return only?._tag === "ERROR" && "transient" in only ? only.transient : undefined;
      };
      assert.strictEqual(transient(yield* opener.resolve(resolve("no.example"))), false);
      assert.strictEqual(transient(yield* opener.resolve(resolve("refused.example"))), false);
      assert.strictEqual(transient(yield* opener.resolve(resolve("broken.example"))), true);
      const silent = yield* Effect.forkChild(opener.resolve(resolve("silent.example")));
      yield* TestClock.adjust("30 seconds");
      assert.strictEqual(transient(yield* Fiber.join(silent)), true);
      assert.strictEqual(status.counts().unresolved, 4);
      // Of each name both families were asked for; who does not answer in time counts as what the platform calls it.
      assert.strictEqual(status.counts().questions, 8);
      assert.deepStrictEqual(
        status.counts().failedQuestions,
        new Map([
          ["ENOTFOUND", 2],
          ["EREFUSED", 2],
          ["ESERVFAIL", 2],
          ["ETIMEOUT", 2],
        ]),
      );
    }),
  );

  it.effect("gives failures a short time to live", () =>
    Effect.gen(function* () {
      const { opener } = yield* startExit();
      const [answer] = yield* opener.resolve(resolve("no.example"));
      assert.isTrue(answer !== undefined && answer.ttl >= 60 && answer.ttl <= 540);
    }),
  );

  it.effect("gives an address back as it is", () =>
    Effect.gen(function* () {
      const { names, opener, status } = yield* startExit();
      for (const text of [ORIGIN, ORIGIN6]) {
        const answers = yield* opener.resolve(resolve(text));
        assert.deepEqual(answers, [{ _tag: "ADDRESS", address: address(text), ttl: 1_800 }]);
      }
      assert.deepStrictEqual(names.questions, []);
      assert.strictEqual(status.counts().resolved, 2);
    }),
  );

  it.effect("answers at once with an error at a relay that is no exit", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit({ policy: () => ExitPolicy.rejectAll });
      assert.deepEqual(yield* opener.resolve(resolve("example.com")), NO_SUCH_NAME);
      assert.deepEqual(yield* opener.resolve(reverse(ORIGIN)), NO_SUCH_NAME);
      assert.deepStrictEqual(names.questions, []);
    }),
  );

  it.effect("serves clients whose only hop this is: nothing is connected to", () =>
    Effect.gen(function* () {
      const { names, fromClient } = yield* startExit();
      names.setAddresses("example.com", [ORIGIN]);
      const [answer] = yield* fromClient.resolve(resolve("example.com"));
      assert.strictEqual(answer?._tag, "ADDRESS");
    }),
  );
});

describe("RESOLVE of the name of an address", () => {
  it.effect("answers with the host name", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit();
      names.setHostName("8.8.8.8", "dns.example");
      names.setHostName("2606:4700::1111", "dns6.example", 1);
      const [four] = yield* opener.resolve(reverse("8.8.8.8"));
      const [six] = yield* opener.resolve(reverse("2606:4700::1111"));
      assert.strictEqual(four?._tag === "HOSTNAME" && four.name, "dns.example");
      // The name server did not tell for how long: as long as others that need not be asked again soon.
      assert.isTrue(four !== undefined && four.ttl >= 3_360 && four.ttl <= 3_840);
      assert.strictEqual(six?._tag === "HOSTNAME" && six.name, "dns6.example");
      assert.isTrue(six !== undefined && six.ttl >= 60 && six.ttl <= 540);
      assert.deepStrictEqual(names.questions, ["PTR 8.8.8.8", "PTR 2606:4700::1111"]);
    }),
  );

  it.effect("calls every failure permanent", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit();
      names.setFailure("8.8.8.8", "transient");
      for (const query of [reverse("8.8.8.8"), reverse("8.8.4.4")]) {
        const [answer] = yield* opener.resolve(query);
        assert.strictEqual(answer?._tag === "ERROR" && answer.transient, false);
      }
    }),
  );

  for (const text of [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.1.1",
    "0.0.0.0",
    "::1",
    "fe80::1",
  ]) {
    it.effect(`tells nothing of ${text}, which is inside somebody's network`, () =>
      Effect.gen(function* () {
        const { names, opener } = yield* startExit();
        names.setHostName(text, "inside.example");
        assert.deepEqual(yield* opener.resolve(reverse(text)), NO_SUCH_NAME);
        assert.deepStrictEqual(names.questions, []);
      }),
    );
  }

  it.effect("answers with an error if the name stands for no address", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit();
      for (const name of ["1.2.3.in-addr.arpa", "a.b.c.d.in-addr.arpa", "1.2.ip6.arpa"]) {
        assert.deepEqual(yield* opener.resolve(resolve(name)), NO_SUCH_NAME);
      }
      assert.deepStrictEqual(names.questions, []);
    }),
  );

  for (const name of ["evil\r\nname", "", "x".repeat(300), "ümlaut.example"]) {
    it.effect(`passes no name on that is none: ${JSON.stringify(name.slice(0, 12))}`, () =>
      Effect.gen(function* () {
        const { names, opener } = yield* startExit();
        names.setHostName("8.8.8.8", name);
        const [answer] = yield* opener.resolve(reverse("8.8.8.8"));
        assert.strictEqual(answer?._tag, "ERROR");
      }),
    );
  }
});
