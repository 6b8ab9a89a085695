import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Endpoint, NodeTransport } from "@allium/channel";
import { layerTorClientNode, makeProxyServer, TorClient } from "@allium/client";
import { parseAuthorities } from "@allium/directory";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { Effect, Exit, Layer, Logger, Scope } from "effect";
import {
  HttpConnectError,
  httpConnect,
  OPEN_EXIT_POLICY,
  SocksError,
  socksConnect,
  TorNetwork,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

/** What an application is told: the codes of SOCKS5 without and with those of Tor's own, and of HTTP the status and the reason. */
interface Answers {
  readonly plain: number;
  readonly extended: number;
  readonly http: readonly [status: number, reason: string | undefined];
}

/** Where an application wants to go in vain. */
interface Case {
  readonly what: string;
  readonly host: string;
  readonly port: number;
  /** What Allium says: one of these. */
  readonly answers: ReadonlyArray<Answers>;
  /** What `tor`'s client says: one of these. */
  readonly tor?: ReadonlyArray<Answers>;
}

const same = (code: number, status: number, reason: string | undefined): Answers => ({
  plain: code,
  extended: code,
  http: [status, reason],
});

/** The exit's own reasons, which both tell alike. An exit of `tor` does not always know that a connection was refused. */
const REFUSED = [same(1, 500, "end/MISC"), same(5, 403, "end/CONNECTREFUSED")];
const UNKNOWN = [same(4, 503, "end/RESOLVEFAILED")];

/** A port of 127.0.0.1 at which nobody listens, and that exits let through. */
const CLOSED_PORT = 1;

const CASES: ReadonlyArray<Case> = [
  { what: "a port that refuses", host: "127.0.0.1", port: CLOSED_PORT, answers: REFUSED, tor: REFUSED },
  { what: "the same by name", host: "check.test", port: CLOSED_PORT, answers: REFUSED, tor: REFUSED },
  { what: "a name that nobody knows", host: "nowhere.test", port: 80, answers: UNKNOWN, tor: UNKNOWN },
  {
    what: "a port that no exit permits",
    host: "check.test",
    port: 25,
    answers: [same(2, 503, "allium/no-exit")],
    tor: [same(1, 500, "c-tor/CANT_ATTACH")],
  },
  {
    // `tor` goes on looking for another exit for as long as it may. The first to ask hears from the exits, the others remember.
    what: "an address that exits refuse, which their summary does not tell",
    host: "198.51.100.8",
    port: 80,
    answers: [same(2, 503, "allium/no-exit"), same(2, 503, "end/EXITPOLICY")],
  },
  {
    what: "a name that leads to such an address",
    host: "forbidden.test",
    port: 80,
    answers: [same(2, 503, "allium/no-exit"), same(2, 503, "end/EXITPOLICY")],
  },
  {
    what: "an onion address that cannot be one",
    host: `${"a".repeat(56)}.onion`,
    port: 80,
    answers: [{ plain: 4, extended: 0xf6, http: [400, "allium/onion-address"] }],
    tor: [{ plain: 1, extended: 0xf6, http: [502, "end/TORPROTOCOL"] }],
  },
  {
    // `tor` supports them, and looks for it.
    what: "an onion address",
    host: "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion",
    port: 80,
    answers: [{ plain: 4, extended: 0xf0, http: [501, "allium/onion-unsupported"] }],
  },
  {
    what: "a name that chooses its exit",
    host: "www.test.exit",
    port: 80,
    answers: [same(2, 403, "allium/exit-notation")],
    tor: [same(1, 502, "end/TORPROTOCOL")],
  },
  {
    what: "port 0",
    host: "check.test",
    port: 0,
    answers: [same(1, 400, "allium/port")],
    tor: [same(1, 400, undefined)],
  },
];

/** Whom to ask. */
interface Ports {
  readonly plain: number;
  readonly extended: number;
  readonly http: number;
}

const codeOf = (attempt: Promise<unknown>): Promise<number> =>
  attempt.then(
    () => assert.fail("succeeded"),
    (error: unknown) => {
      assert.instanceOf(error, SocksError);
      return error.code;
    },
  );

const statusOf = (attempt: Promise<unknown>): Promise<Answers["http"]> =>
  attempt.then(
    () => assert.fail("succeeded"),
    (error: unknown) => {
      assert.instanceOf(error, HttpConnectError);
      return [error.status, error.headers["tor-request-failed"] as string | undefined];
    },
  );

describeWithTor("what applications are told, beside what tor's client tells", () => {
  let network: TorNetwork;
  let allium: Ports;
  let tor: Ports;
  const scope = Scope.makeUnsafe();

  beforeAll(async () => {
    const exitPolicy = ["reject *:25", "reject 198.51.100.0/24:*", ...OPEN_EXIT_POLICY];
    network = await TorNetwork.start({ clients: 0, relays: 2, exits: 2, exitPolicy });
    network.names.setHost("forbidden.test", "198.51.100.7");
    const [extended, http] = [await network.ports.take(), await network.ports.take()];
    const client = await network.addClient({
      extraTorrc: [
        ["SocksPort", `127.0.0.1:${extended} ExtendedErrors`],
        ["HTTPTunnelPort", `127.0.0.1:${http}`],
      ],
    });
    tor = { plain: client.socksPort, extended, http };

    const config = {
      dataDir: join(network.directory, "allium-client"),
      testNetwork: true,
      authorities: parseAuthorities(readFileSync(network.authoritiesFile, "utf8")),
    };
    const listen: Endpoint = { host: "127.0.0.1", port: 0 };
    const [first, second] = await Effect.gen(function* () {
      const context = yield* Layer.build(Layer.merge(layerTorClientNode(config), NodeTransport.layer));
      const proxy = yield* makeProxyServer({
        listeners: [{ listen }, { listen, extendedErrors: false }],
        warnOfAddresses: false,
      }).pipe(Effect.provideContext(context));
      yield* TorClient.use((service) => service.ready).pipe(Effect.provideContext(context));
      return proxy.endpoints;
    }).pipe(Scope.provide(scope), Effect.provide(Logger.layer([])), Effect.runPromise);
    allium = { plain: second!.port, extended: first!.port, http: first!.port };
  });

  afterAll(async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void));
    await network?.[Symbol.asyncDispose]();
  });

  /** Asks in all three ways, and holds that each answer is one of those that are expected of that way. */
  const tells = async (ports: Ports, { host, port }: Case, expected: ReadonlyArray<Answers>): Promise<void> => {
    const plain = await codeOf(socksConnect({ port: ports.plain }, host, port));
    const extended = await codeOf(socksConnect({ port: ports.extended }, host, port));
    const http = await statusOf(httpConnect({ port: ports.http }, host, port));
    const of = <A>(way: (answers: Answers) => A) => expected.map(way);
    assert.include(
      of((answers) => answers.plain),
      plain,
    );
    assert.include(
      of((answers) => answers.extended),
      extended,
    );
    assert.deepInclude(
      of((answers) => answers.http),
      http,
    );
  };

  for (const asked of CASES)
    it(asked.what, async () => {
      await tells(allium, asked, asked.answers);
      if (asked.tor !== undefined) await tells(tor, asked, asked.tor);
    });
});
