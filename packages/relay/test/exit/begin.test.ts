import { BeginFlag, EndReason } from "@allium/cell";
import { connectionPair } from "@allium/channel";
import { refuseStream, type StreamOrigin } from "@allium/circuit";
import { ExitPolicy } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import {
  ASKER,
  begin,
  failingTransport,
  listen,
  MIDDLE,
  ORIGIN,
  ORIGIN6,
  policyOf,
  refusal,
  silentTransport,
  startExit,
} from "./support/exit.ts";

const end = (reason: number, address?: string, ttl?: number) => ({
  _tag: "END",
  reason,
  resolved:
    address === undefined ? undefined : { address: { family: address.includes(":") ? 6 : 4, address }, ttl: ttl ?? 0 },
});

const isShort = (ttl: number) => ttl >= 60 && ttl <= 540;
const isLong = (ttl: number) => ttl >= 3_360 && ttl <= 3_840;

describe("BEGIN", () => {
  it.effect("connects to an address, and says which, with the time to live of one that needed no look-up", () =>
    Effect.gen(function* () {
      const { network, opener, status } = yield* startExit();
      const accepted = yield* listen(network, ORIGIN, 80);
      const { connection, connected } = yield* opener.begin(begin(ORIGIN, 80));
      assert.deepStrictEqual(connected.resolved, { address: { family: 4, address: ORIGIN }, ttl: 1_800 });
      assert.strictEqual(connection.remote.host, ORIGIN);
      assert.strictEqual(accepted.length, 1);
      assert.deepInclude(status.counts(), { opened: 1, exhausted: 0 });
      assert.deepStrictEqual(status.counts().connected, { 4: 1, 6: 0 });
      assert.deepStrictEqual(status.counts().asked, { BEGIN: 1, BEGIN_DIR: 0, RESOLVE: 0 });
    }),
  );

  it.effect("connects to a name, and says to which address it led, for a time that tells little", () =>
    Effect.gen(function* () {
      const { network, names, opener } = yield* startExit();
      yield* listen(network, ORIGIN, 80);
      names.setAddresses("long.example", [ORIGIN], 86_400);
      names.setAddresses("short.example", [ORIGIN], 1);
      const long = yield* opener.begin(begin("long.example", 80));
      const short = yield* opener.begin(begin("short.example", 80));
      assert.strictEqual(long.connected.resolved?.address.address, ORIGIN);
      assert.isTrue(isLong(long.connected.resolved?.ttl ?? 0));
      assert.isTrue(isShort(short.connected.resolved?.ttl ?? 0));
    }),
  );

  it.effect("connects to an IPv6 address, given or resolved", () =>
    Effect.gen(function* () {
      const { network, names, opener } = yield* startExit();
      yield* listen(network, ORIGIN6, 80);
      names.setAddresses("six.example", [ORIGIN6]);
      const given = yield* opener.begin(begin(ORIGIN6, 80));
      const resolved = yield* opener.begin(begin("six.example", 80, BeginFlag.IPV6_OKAY));
      assert.deepStrictEqual(given.connected.resolved?.address, { family: 6, address: ORIGIN6 });
      assert.deepStrictEqual(resolved.connected.resolved?.address, { family: 6, address: ORIGIN6 });
    }),
  );
});

describe("what BEGIN is refused with", () => {
  it.effect("EXITPOLICY and the address, if the policy refuses an address that was given", () =>
    Effect.gen(function* () {
      const { opener, status } = yield* startExit({ policy: () => policyOf("accept *:443", "reject *:*") });
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 80))), end(EndReason.EXITPOLICY, ORIGIN, 1_800));
      assert.strictEqual(status.counts().refused.get(EndReason.EXITPOLICY), 1);
    }),
  );

  it.effect("EXITPOLICY and the address, if a public name leads to a private address", () =>
    Effect.gen(function* () {
      const { network, names, opener } = yield* startExit();
      yield* listen(network, "127.0.0.1", 80);
      names.setAddresses("innocent.example", ["127.0.0.1"], 3_600);
      const { reason, resolved } = yield* refusal(opener.begin(begin("innocent.example", 80)));
      assert.strictEqual(reason, EndReason.EXITPOLICY);
      assert.strictEqual(resolved?.address.address, "127.0.0.1");
      assert.isTrue(isLong(resolved?.ttl ?? 0));
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("EXITPOLICY, if a private IPv4 address is hidden in an IPv6 one", () =>
    Effect.gen(function* () {
      const { network, names, opener } = yield* startExit();
      yield* listen(network, "127.0.0.1", 80);
      names.setAddresses("mapped.example", ["::ffff:127.0.0.1"]);
      const given = yield* refusal(opener.begin(begin("::ffff:127.0.0.1", 80)));
      const resolved = yield* refusal(opener.begin(begin("mapped.example", 80, BeginFlag.IPV6_OKAY)));
      assert.strictEqual(given.reason, EndReason.EXITPOLICY);
      assert.strictEqual(resolved.reason, EndReason.EXITPOLICY);
    }),
  );

  it.effect("EXITPOLICY, for the address that stands for none, whatever the policy says", () =>
    Effect.gen(function* () {
      const everything = ExitPolicy.ofOptions({ rules: ["accept *:*"], ipv6: true, rejectPrivate: false });
      const { opener } = yield* startExit({ policy: () => everything });
      for (const address of ["0.0.0.0", "::", "::ffff:0.0.0.0"]) {
        const { reason } = yield* refusal(opener.begin(begin(address, 80)));
        assert.strictEqual(reason, EndReason.EXITPOLICY, address);
      }
    }),
  );

  it.effect("EXITPOLICY, for IPv6 at an exit without it", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit({ ipv6: () => false });
      names.setAddresses("both.example", [ORIGIN, ORIGIN6]);
      const flags = BeginFlag.IPV6_OKAY | BeginFlag.IPV4_NOT_OKAY;
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN6, 80))), end(EndReason.EXITPOLICY, ORIGIN6, 1_800));
      assert.deepEqual(yield* refusal(opener.begin(begin("both.example", 80, flags))), end(EndReason.EXITPOLICY));
      assert.deepStrictEqual(names.questions, []);
    }),
  );

  it.effect("the answers of a relay that is no exit, which asks no name server", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit({ policy: () => ExitPolicy.rejectAll });
      names.setAddresses("example.com", [ORIGIN]);
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 80))), end(EndReason.EXITPOLICY, ORIGIN, 1_800));
      assert.deepEqual(yield* refusal(opener.begin(begin("example.com", 80))), end(EndReason.RESOLVEFAILED));
      assert.deepStrictEqual(names.questions, []);
    }),
  );

  it.effect("TORPROTOCOL, if this relay would be a client's only hop", () =>
    Effect.gen(function* () {
      const { network, fromClient } = yield* startExit();
      yield* listen(network, ORIGIN, 80);
      assert.deepEqual(yield* refusal(fromClient.begin(begin(ORIGIN, 80))), end(EndReason.TORPROTOCOL));
    }),
  );

  it.effect("refuses circuits that come through a relay which the network does not know", () =>
    Effect.gen(function* () {
      let known = false;
      const { network, opener } = yield* startExit({
        isKnownRelay: ({ rsaId }) => known && rsaId.equals(MIDDLE.rsaId),
      });
      yield* listen(network, ORIGIN, 80);
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 80))), end(EndReason.TORPROTOCOL));
      known = true;
      assert.strictEqual((yield* opener.begin(begin(ORIGIN, 80))).connection.remote.host, ORIGIN);
    }),
  );

  it.effect("nothing, if single hops are allowed", () =>
    Effect.gen(function* () {
      const { network, fromClient } = yield* startExit({ allowSingleHop: true });
      yield* listen(network, ORIGIN, 80);
      const { connection } = yield* fromClient.begin(begin(ORIGIN, 80));
      assert.strictEqual(connection.status, "open");
    }),
  );

  it.effect("CONNECTREFUSED, for the way back into the network, by any writing of the address or by name", () =>
    Effect.gen(function* () {
      let reentry = false;
      const { network, names, opener } = yield* startExit({
        isNetworkAddress: ({ address }, port) => !reentry && address === ORIGIN && port === 9001,
      });
      yield* listen(network, ORIGIN, 9001);
      names.setAddresses("relay.example", [ORIGIN]);
      for (const host of [ORIGIN, `::ffff:${ORIGIN}`, "relay.example"]) {
        assert.deepEqual(yield* refusal(opener.begin(begin(host, 9001))), end(EndReason.CONNECTREFUSED), host);
      }
      assert.strictEqual(network.connections(), 0);
      reentry = true;
      assert.strictEqual((yield* opener.begin(begin(ORIGIN, 9001))).connection.status, "open");
    }),
  );

  it.effect("RESOLVEFAILED, for a name that does not resolve or whose name server does not answer", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit();
      names.setFailure("broken.example", "transient");
      names.setSilent("silent.example");
      assert.deepEqual(yield* refusal(opener.begin(begin("no.example", 80))), end(EndReason.RESOLVEFAILED));
      assert.deepEqual(yield* refusal(opener.begin(begin("broken.example", 80))), end(EndReason.RESOLVEFAILED));
      const silent = yield* Effect.forkChild(refusal(opener.begin(begin("silent.example", 80))));
      yield* TestClock.adjust("30 seconds");
      assert.deepEqual(yield* Fiber.join(silent), end(EndReason.RESOLVEFAILED));
    }),
  );

  it.effect("RESOLVEFAILED, for the name of a reverse look-up", () =>
    Effect.gen(function* () {
      const { names, opener } = yield* startExit();
      names.setAddresses("5.113.0.203.in-addr.arpa", [ORIGIN]);
      const { reason } = yield* refusal(opener.begin(begin("5.113.0.203.in-addr.arpa", 80)));
      assert.strictEqual(reason, EndReason.RESOLVEFAILED);
    }),
  );

  it.effect("CONNECTREFUSED, if nobody listens there", () =>
    Effect.gen(function* () {
      const { opener } = yield* startExit();
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 80))), end(EndReason.CONNECTREFUSED));
    }),
  );

  it.effect("TIMEOUT, if nobody answers there", () =>
    Effect.gen(function* () {
      const { opener, status } = yield* startExit({}, silentTransport);
      const waiting = yield* Effect.forkChild(refusal(opener.begin(begin(ORIGIN, 80))));
      yield* TestClock.adjust("126 seconds");
      assert.isUndefined(waiting.pollUnsafe());
      assert.strictEqual(status.counts().connecting, 1);
      yield* TestClock.adjust("1 second");
      assert.deepEqual(yield* Fiber.join(waiting), end(EndReason.TIMEOUT));
      assert.strictEqual(status.counts().connecting, 0);
    }),
  );

  it.effect("RESOURCELIMIT, while too many attempts are under way; one that is given up makes room", () =>
    Effect.gen(function* () {
      const { opener } = yield* startExit({ bounds: { maxConnecting: 1 } }, silentTransport);
      const first = yield* Effect.forkChild(opener.begin(begin(ORIGIN, 80)), { startImmediately: true });
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 81))), end(EndReason.RESOURCELIMIT));
      yield* Fiber.interrupt(first);
      const next = yield* Effect.forkChild(opener.begin(begin(ORIGIN, 81)), { startImmediately: true });
      assert.isUndefined(next.pollUnsafe());
    }),
  );

  for (const [code, kind, reason] of [
    ["ECONNREFUSED", "refused", "CONNECTREFUSED"],
    ["ENETUNREACH", "unreachable", "NOROUTE"],
    ["EHOSTUNREACH", "unreachable", "NOROUTE"],
    ["EACCES", "unreachable", "NOROUTE"],
    ["EPERM", "unreachable", "NOROUTE"],
    ["ETIMEDOUT", "timeout", "TIMEOUT"],
    ["ECONNRESET", "reset", "CONNRESET"],
    ["EMFILE", "resourceLimit", "RESOURCELIMIT"],
    ["ENOBUFS", "resourceLimit", "RESOURCELIMIT"],
    ["EADDRNOTAVAIL", "unreachable", "RESOURCELIMIT"],
    ["EADDRINUSE", "addressInUse", "RESOURCELIMIT"],
    ["EINVAL", "unreachable", "INTERNAL"],
    ["EPIPE", "reset", "DONE"],
    ["EUNHEARDOF", "unreachable", "NOROUTE"],
    ["EUNHEARDOF", "other", "MISC"],
  ] as const) {
    it.effect(`${reason}, if the platform says ${code} (${kind})`, () =>
      Effect.gen(function* () {
        const { opener, status } = yield* startExit({}, failingTransport(kind, code));
        assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 80))), end(EndReason[reason]));
        assert.strictEqual(status.counts().exhausted, reason === "RESOURCELIMIT" ? 1 : 0);
      }),
    );
  }
});

describe("BEGIN_DIR", () => {
  it.effect("is refused with NOTDIRECTORY where there is no directory", () =>
    Effect.gen(function* () {
      const { opener } = yield* startExit();
      assert.deepEqual(yield* refusal(opener.beginDirectory), end(EndReason.NOTDIRECTORY));
    }),
  );

  it.effect("is refused with HIBERNATING when the relay is about to end, and BEGIN as well", () =>
    Effect.gen(function* () {
      let accepting = true;
      const { network, opener, status } = yield* startExit({
        accepting: () => accepting,
        beginDirectory: () => Effect.die("asked"),
      });
      yield* listen(network, ORIGIN, 80);
      yield* opener.begin(begin(ORIGIN, 80));
      accepting = false;
      assert.deepEqual(yield* refusal(opener.beginDirectory), end(EndReason.HIBERNATING));
      assert.deepEqual(yield* refusal(opener.begin(begin(ORIGIN, 80))), end(EndReason.HIBERNATING));
      assert.deepStrictEqual(status.counts().refused, new Map([[EndReason.HIBERNATING, 2]]));
    }),
  );

  it.effect("leads to the directory where there is one, also for a client's only hop", () =>
    Effect.gen(function* () {
      const [connection] = connectionPair();
      const opened = { connection, connected: { _tag: "CONNECTED" as const, resolved: undefined } };
      const origins: Array<StreamOrigin> = [];
      const { fromClient, status } = yield* startExit({
        beginDirectory: (origin) => {
          origins.push(origin);
          return Effect.succeed(opened);
        },
      });
      assert.strictEqual(yield* fromClient.beginDirectory, opened);
      assert.deepInclude(origins, { address: ASKER, peer: undefined });
      assert.strictEqual(status.counts().directoryOpened, 1);
    }),
  );

  it.effect("is refused as the directory refuses it", () =>
    Effect.gen(function* () {
      const refused = Effect.fail(refuseStream(EndReason.RESOURCELIMIT));
      const { opener, status } = yield* startExit({ beginDirectory: () => refused });
      assert.deepEqual(yield* refusal(opener.beginDirectory), end(EndReason.RESOURCELIMIT));
      assert.strictEqual(status.counts().refused.get(EndReason.RESOURCELIMIT), 1);
    }),
  );
});
