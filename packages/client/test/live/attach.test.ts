import { EndReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { echo, type RelayOptions, whileTimePasses } from "../../../../test/memory-network/index.ts";
import { GUARD_FLAGS } from "../../../../test/memory-network/plan.ts";
import { failureOf, open, pathOf, readyClient, say } from "./support.ts";

/** Three guards, three middles, and exits with these policies. */
const relaysWith = (...policies: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<RelayOptions> => [
  ...["guard0", "guard1", "guard2"].map((nickname) => ({ nickname, flags: GUARD_FLAGS })),
  ...["middle0", "middle1", "middle2"].map((nickname) => ({ nickname })),
  ...policies.map((policy, index) => ({ nickname: `exit${index}`, policy })),
];

const WEB = ["accept *:80", "accept *:443", "reject *:*"];
const MAIL = ["accept *:25", "reject *:*"];

describe("a stream of a client", () => {
  it.effect("leaves by an exit that permits its port", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ relays: relaysWith(WEB, MAIL, WEB) });
      yield* network.internet.serve("mail.example", "93.184.216.40", 25, echo);
      for (const isolation of ["a", "b", "c", "d"]) {
        const mail = yield* whileTimePasses(client.open({ host: "mail.example", port: 25 }, { isolation }));
        assert.strictEqual(pathOf(client, mail.tunnel)[2], "exit1");
        const web = yield* open(client, isolation);
        assert.notStrictEqual(pathOf(client, web.tunnel)[2], "exit1");
      }
      assert.strictEqual(
        yield* failureOf(whileTimePasses(client.open({ host: "example.com", port: 6667 }))),
        "no-exit",
      );
    }).pipe(Effect.scoped),
  );

  it.effect("is tried elsewhere if the exit refuses what its policy seemed to permit, which is remembered", () =>
    Effect.gen(function* () {
      // Who knows only a summary cannot see that this one refuses the host's address.
      const strict = ["reject 93.184.216.34:80", "accept *:80", "accept *:443"];
      const { client, network } = yield* readyClient({ relays: relaysWith(strict, strict, WEB) });
      for (const isolation of ["a", "b", "c", "d", "e"]) {
        const stream = yield* open(client, isolation);
        assert.strictEqual(pathOf(client, stream.tunnel)[2], "exit2");
      }
      for (const nickname of ["exit0", "exit1"]) {
        const begins = network.relay(nickname).streams.filter(({ kind }) => kind === "BEGIN");
        assert.isAtMost(begins.length, 1, "an exit is asked once");
      }
    }).pipe(Effect.scoped),
  );

  it.effect("comes to an exit that refused a while ago: with a new consensus it is asked again", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ relays: relaysWith(WEB), interval: "10 minutes" });
      const exit = network.relay("exit0");
      exit.refuse(true);
      assert.deepStrictEqual(yield* failureOf(open(client)), { end: EndReason.EXITPOLICY });
      exit.refuse(false);
      // Its descriptor is the same, before and after.
      assert.deepStrictEqual(yield* failureOf(open(client)), "no-exit");
      yield* whileTimePasses(Effect.sleep("30 minutes"));
      assert.strictEqual(yield* say(yield* open(client), "onion"), "onion");
    }).pipe(Effect.scoped),
  );

  it.effect("waits while the one exit that does not refuse hangs, and goes to others when they are asked again", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient(
        { relays: relaysWith(WEB, WEB), interval: "1 minute" },
        { tunnels: { requestTimeoutMillis: 600_000 } },
      );
      const [refusing, hanging] = [network.relay("exit0"), network.relay("exit1")];
      refusing.refuse(true);
      for (const isolation of ["a", "b", "c", "d", "e"]) yield* open(client, isolation);
      assert.isNotEmpty(refusing.streams);
      refusing.refuse(false);
      hanging.stall(true);
      const stream = yield* open(client, "f");
      assert.strictEqual(pathOf(client, stream.tunnel)[2], "exit0");
    }).pipe(Effect.scoped),
  );

  it.effect("fails with what the last exit said, if all refuse", () =>
    Effect.gen(function* () {
      const strict = ["reject 93.184.216.34:80", "accept *:80"];
      const { client } = yield* readyClient({ relays: relaysWith(strict, strict) });
      assert.deepStrictEqual(yield* failureOf(open(client)), { end: EndReason.EXITPOLICY });
    }).pipe(Effect.scoped),
  );

  it.effect("has three exits look its name up, if they fail, and no more", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ relays: relaysWith(WEB, WEB, WEB, WEB) });
      network.internet.names.setFailure("nowhere.example", "permanent");
      assert.deepStrictEqual(yield* failureOf(open(client, "", "nowhere.example")), { end: EndReason.RESOLVEFAILED });
      const asked = network.relays.filter(({ streams }) =>
        streams.some(({ target }) => target === "nowhere.example:80"),
      );
      assert.lengthOf(asked, 3);
    }).pipe(Effect.scoped),
  );

  it.effect("is refused for good if the destination refuses: no other exit is asked", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ relays: relaysWith(WEB, WEB, WEB) });
      const attempt = client.open({ host: "example.com", port: 443 });
      assert.deepStrictEqual(yield* failureOf(whileTimePasses(attempt)), { end: EndReason.CONNECTREFUSED });
      const asked = network.relays.flatMap(({ streams }) => streams.filter(({ kind }) => kind === "BEGIN"));
      assert.lengthOf(asked, 1);
    }).pipe(Effect.scoped),
  );

  it.effect("is tried through another tunnel when an exit does not answer for ten seconds; that one gets no more", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ relays: relaysWith(WEB, WEB) });
      const first = yield* open(client);
      const exit = pathOf(client, first.tunnel)[2] ?? "";
      network.relay(exit).stall(true);
      const begun = yield* Clock.currentTimeMillis;
      const second = yield* open(client);
      const waited = (yield* Clock.currentTimeMillis) - begun;
      assert.notStrictEqual(second.tunnel, first.tunnel);
      assert.isAtLeast(waited, 10_000);
      assert.notStrictEqual(pathOf(client, second.tunnel)[2], exit);
      assert.strictEqual(client.tunnels().find(({ id }) => id === first.tunnel)?.state, "retired");
      // Nothing was lost by it: the older stream goes on when the exit does.
      network.relay(exit).stall(false);
      assert.strictEqual(yield* say(first, "onion"), "onion");
    }).pipe(Effect.scoped),
  );

  it.effect("that is given up leaves nothing behind", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ relays: relaysWith(WEB) });
      network.internet.names.setSilent("slow.example");
      const waiting = yield* Effect.forkChild(client.open({ host: "slow.example", port: 80 }));
      yield* TestClock.adjust("2 seconds");
      const count = () => client.tunnels().reduce((sum, { streams }) => sum + streams, 0);
      assert.strictEqual(count(), 1);
      yield* Fiber.interrupt(waiting);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(count(), 0);
    }).pipe(Effect.scoped),
  );

  it.effect("is not led into private networks: not by an address, and not by an exit's answer", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient();
      yield* network.internet.serve("router.example", "192.168.0.1", 80, echo);
      const local = ["localhost", "www.localhost", "printer.local"];
      for (const host of ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fe80::1", "169.254.169.254", ...local])
        assert.strictEqual(yield* failureOf(open(client, "", host)), "private-address", host);
      assert.strictEqual(yield* failureOf(client.reverse("192.168.0.1")), "private-address");
      const resolved = whileTimePasses(client.resolve("router.example"));
      assert.strictEqual(yield* failureOf(resolved), "private-address");
      const asked = network.relays.flatMap(({ streams }) => streams.filter(({ kind }) => kind === "BEGIN"));
      assert.lengthOf(asked, 0, "nobody was asked");
    }).pipe(Effect.scoped),
  );

  it.effect("has a destination that makes sense, or none is asked for", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient();
      const failure = (host: string, port = 80) => failureOf(client.open({ host, port }));
      assert.strictEqual(yield* failure(""), "destination");
      assert.strictEqual(yield* failure("exa mple.com"), "destination");
      assert.strictEqual(yield* failure("example.com", 0), "port");
      assert.strictEqual(yield* failure("example.com", 1.5), "port");
      assert.strictEqual(yield* failure("example.com.exit1.exit"), "exit-notation");
      assert.strictEqual(yield* failure(`${"a".repeat(56)}.onion`), "onion-address");
    }).pipe(Effect.scoped),
  );
});

describe("a look-up of a client", () => {
  it.effect("is done by an exit, forward and back", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient();
      const { names } = network.internet;
      names.setAddresses("both.example", ["93.184.216.50", "2606:2800::50"]);
      names.setHostName("93.184.216.50", "both.example");
      const found = yield* whileTimePasses(client.resolve("both.example"));
      assert.includeMembers(
        found.map(({ value }) => value.address),
        ["93.184.216.50"],
      );
      const only = yield* whileTimePasses(client.resolve("both.example", { family: "ipv4-only" }));
      assert.isTrue(only.every(({ value }) => value.family === 4));
      const reversed = yield* whileTimePasses(client.reverse("93.184.216.50"));
      assert.deepStrictEqual(
        reversed.map(({ value }) => value),
        ["both.example"],
      );
      assert.strictEqual(yield* failureOf(whileTimePasses(client.resolve("nowhere.example"))), "no-answer");
      // An address needs no exit.
      const literal = yield* client.resolve("93.184.216.50");
      assert.strictEqual(literal[0]?.value.address, "93.184.216.50");
    }).pipe(Effect.scoped),
  );
});
