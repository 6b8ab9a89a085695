import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import { text } from "node:stream/consumers";
import { EndReason } from "@allium/cell";
import { afterEach, assert, describe, it, vi } from "@effect/vitest";
import { Clock, Context } from "effect";
import { KEEP_ALIVE_MILLIS } from "../../src/http/timeouts.ts";
import {
  ConnectError,
  createAgent,
  plainOpener,
  StreamOpenError,
  type TorAgent,
  type TorAgentOptions,
} from "../../src/index.ts";
import { fakedClock } from "../support/faked-clock.ts";
import { watchLookups } from "../support/lookups.ts";
import { CERTIFICATE, httpServer, httpsServer, tcpServer } from "../support/servers.ts";
import { type Route, TorStandIn } from "../support/stand-in.ts";
import { turns, turnsUntil } from "../support/turns.ts";

const start = (url: string, agent: TorAgent, options: http.RequestOptions = {}): http.ClientRequest =>
  url.startsWith("https:")
    ? https.request(url, { ...options, agent: agent.https })
    : http.request(url, { ...options, agent: agent.http });

const answerTo = async (request: http.ClientRequest): Promise<http.IncomingMessage> => {
  const [answer] = (await once(request, "response")) as [http.IncomingMessage];
  // What breaks in the middle of an answer is told of both.
  request.on("error", () => {});
  return answer;
};

const get = async (url: string, agent: TorAgent, options?: http.RequestOptions): Promise<string> =>
  text(await answerTo(start(url, agent, options).end()));

const failure = async (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error) => error,
  );

/** An agent over streams that lead to servers of this test. */
const makeTest = (routes: Readonly<Record<string, Route>>, options?: TorAgentOptions) => {
  const tor = new TorStandIn(routes);
  const agent = createAgent(plainOpener(tor.service, Context.make(Clock.Clock, fakedClock)), options);
  return { tor, agent, [Symbol.dispose]: agent.destroy };
};

describe("agents of node:http and node:https", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("bring a page from a name that only the exit knows", async () => {
    await using server = await httpServer((request, response) => response.end(`hello ${request.headers.host}`));
    using test = makeTest({ "site.tld.invalid:80": server.port });
    using lookups = watchLookups();
    assert.strictEqual(await get("http://site.tld.invalid/", test.agent), "hello site.tld.invalid");
    assert.deepStrictEqual(lookups.names, []);
    assert.deepStrictEqual(
      test.tor.asked.map(({ host, port }) => [host, port]),
      [["site.tld.invalid", 80]],
    );
    // Else this test could not fail.
    await failure(once(http.get("http://site.tld.invalid/"), "response"));
    assert.deepStrictEqual(lookups.names, ["site.tld.invalid"]);
  });

  it("check the certificate against the name", async () => {
    await using server = await httpsServer((_, response) => response.end("secret"));
    using test = makeTest(
      { "secure.tld.invalid:443": server.port, "other.tld.invalid:443": server.port },
      { agent: { ca: CERTIFICATE } },
    );
    assert.strictEqual(await get("https://secure.tld.invalid/", test.agent), "secret");
    const wrong = await failure(get("https://other.tld.invalid/", test.agent));
    assert.strictEqual(wrong.code, "ERR_TLS_CERT_ALTNAME_INVALID");
    using unknown = makeTest({ "secure.tld.invalid:443": server.port });
    const selfSigned = await failure(get("https://secure.tld.invalid/", unknown.agent));
    assert.strictEqual(selfSigned.code, "DEPTH_ZERO_SELF_SIGNED_CERT");
    await turnsUntil(() => unknown.tor.open === 0);
  });

  it("tell why there is no stream, with a code, over TLS too", async () => {
    using test = makeTest({
      "shut.tld.invalid:80": { fails: { end: EndReason.CONNECTREFUSED } },
      "shut.tld.invalid:443": { fails: "no-exit" },
    });
    const error = await failure(get("http://shut.tld.invalid/", test.agent));
    assert.instanceOf(error, StreamOpenError);
    assert.strictEqual(error.code, "ECONNREFUSED");
    assert.instanceOf(error.cause, ConnectError);
    const secure = await failure(get("https://shut.tld.invalid/", test.agent));
    assert.instanceOf(secure, StreamOpenError);
    assert.strictEqual(secure.code, "ERR_TOR_NO_EXIT");
    assert.strictEqual((await failure(get("http://gone.tld.invalid/", test.agent))).code, "ENOTFOUND");
  });

  it("reach addresses and other ports, and ask for what their streams were to be", async () => {
    await using server = await httpServer((request, response) => response.end(request.headers.host));
    const routes = { "2001:db8::1:80": server.port, "192.0.2.1:8080": server.port };
    using test = makeTest(routes, { isolation: "mine", family: "ipv6-only" });
    assert.strictEqual(await get("http://[2001:db8::1]/", test.agent), "[2001:db8::1]");
    assert.strictEqual(await get("http://192.0.2.1:8080/", test.agent), "192.0.2.1:8080");
    for (const { isolation, family } of test.tor.asked) {
      assert.deepStrictEqual([isolation, family], ["mine", "ipv6-only"]);
    }
  });

  it("keep hosts apart if they are to", async () => {
    await using server = await httpServer((_, response) => response.end());
    const routes = {
      "a.tld.invalid:80": server.port,
      "a.tld.invalid:81": server.port,
      "b.tld.invalid:80": server.port,
    };
    using test = makeTest(routes, { isolateHosts: true, isolation: "mine" });
    for (const url of ["http://a.tld.invalid/", "http://A.tld.invalid:81/", "http://b.tld.invalid/"]) {
      await get(url, test.agent);
    }
    const [first, second, third] = test.tor.asked.map(({ isolation }) => isolation);
    assert.strictEqual(first, second);
    assert.notStrictEqual(first, third);
    using other = makeTest(routes, { isolateHosts: true });
    await get("http://a.tld.invalid/", other.agent);
    assert.notStrictEqual(other.tor.asked[0]?.isolation, first);
  });

  it("use a connection again, until it was idle for too long", async () => {
    for (const scheme of ["http", "https"] as const) {
      const serve = scheme === "http" ? httpServer : httpsServer;
      await using server = await serve((_, response) => response.end("ok"));
      const host = scheme === "http" ? "secure.tld.invalid:80" : "secure.tld.invalid:443";
      using test = makeTest({ [host]: server.port }, { agent: { ca: CERTIFICATE } });
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
      const url = `${scheme}://secure.tld.invalid/`;
      for (let round = 0; round < 3; round++) {
        assert.strictEqual(await get(url, test.agent), "ok");
        await turns();
      }
      assert.strictEqual(test.tor.asked.length, 1);
      assert.strictEqual(test.tor.open, 1);
      if (scheme === "https") {
        // The platform's own timers, which cannot be faked, are its affair.
        test.agent.destroy();
      } else {
        vi.advanceTimersByTime(KEEP_ALIVE_MILLIS);
      }
      vi.useRealTimers();
      await turnsUntil(() => test.tor.open === 0);
      assert.strictEqual(await get(url, test.agent), "ok");
      assert.strictEqual(test.tor.asked.length, 2);
    }
  });

  it("close an idle connection on which something comes unasked", async () => {
    let greet = () => {};
    await using server = await tcpServer((socket) => {
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
      greet = () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    });
    using test = makeTest({ "site.tld.invalid:80": server.port });
    assert.strictEqual(await get("http://site.tld.invalid/", test.agent), "ok");
    await turns();
    greet();
    await turnsUntil(() => test.tor.open === 0);
    assert.strictEqual(await get("http://site.tld.invalid/", test.agent), "ok");
    assert.strictEqual(test.tor.asked.length, 2);
  });

  it("close an idle connection when its server does", async () => {
    await using server = await tcpServer((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    });
    using test = makeTest({ "site.tld.invalid:80": server.port });
    for (let round = 1; round <= 2; round++) {
      assert.strictEqual(await get("http://site.tld.invalid/", test.agent), "ok");
      await turnsUntil(() => test.tor.open === 0 && Object.keys(test.agent.http.freeSockets).length === 0);
      assert.strictEqual(test.tor.asked.length, round);
    }
  });

  it("give up the stream of a request that is given up while it is being opened", async () => {
    using test = makeTest({ "silent.tld.invalid:80": "silence", "silent.tld.invalid:443": "silence" });
    const controller = new AbortController();
    const aborted = failure(get("http://silent.tld.invalid/", test.agent, { signal: controller.signal }));
    await turnsUntil(() => test.tor.asked.length === 1);
    controller.abort();
    assert.strictEqual((await aborted).name, "AbortError");
    await turnsUntil(() => test.tor.givenUp === 1);
    const request = start("https://silent.tld.invalid/", test.agent).end();
    request.on("error", () => {});
    const closed = new Promise((resolve) => request.once("close", resolve));
    await turnsUntil(() => test.tor.asked.length === 2);
    request.destroy();
    await closed;
    await turnsUntil(() => test.tor.givenUp === 2);
  });

  it("count the opening of a stream in a request's timeout", async () => {
    using test = makeTest({ "silent.tld.invalid:80": "silence", "silent.tld.invalid:443": "silence" });
    for (const scheme of ["http", "https"]) {
      const request = start(`${scheme}://silent.tld.invalid/`, test.agent, { timeout: 20 }).end();
      request.on("error", () => {});
      await once(request, "timeout");
      request.destroy();
    }
    await turnsUntil(() => test.tor.givenUp === 2);
  });

  it("close the stream of a request that is given up in its middle", async () => {
    await using server = await httpServer((_, response) => {
      response.write("the beginning");
    });
    using test = makeTest({ "site.tld.invalid:80": server.port });
    const request = start("http://site.tld.invalid/", test.agent).end();
    const answer = await answerTo(request);
    assert.strictEqual(String((await once(answer, "data"))[0]), "the beginning");
    answer.on("error", () => {});
    request.destroy();
    await turnsUntil(() => test.tor.open === 0 && server.connections() === 0);
    assert.deepStrictEqual(Object.keys(test.agent.http.sockets), []);
  });

  it("tell of a stream that breaks in the middle of an answer", async () => {
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("the beginning");
    });
    await using resetting = await tcpServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning", () => socket.resetAndDestroy());
      });
    });
    using test = makeTest({ "site.tld.invalid:80": server.port, "rude.tld.invalid:80": resetting.port });
    const answer = await answerTo(start("http://site.tld.invalid/", test.agent).end());
    await once(answer, "data");
    const broken = failure(text(answer));
    test.tor.breakAll();
    assert.strictEqual((await broken).code, "ECONNRESET");
    const rude = await failure(get("http://rude.tld.invalid/", test.agent));
    assert.strictEqual(rude.code, "ECONNRESET");
    await turnsUntil(() => test.tor.open === 0);
  });

  it("send what is uploaded, and no faster than it is taken", async () => {
    const body = randomBytes(3_000_000);
    await using server = await httpsServer(async (request, response) => {
      const hash = createHash("sha256");
      for await (const chunk of request) hash.update(chunk);
      response.end(hash.digest("hex"));
    });
    using test = makeTest({ "secure.tld.invalid:443": server.port }, { agent: { ca: CERTIFICATE } });
    const request = start("https://secure.tld.invalid/", test.agent, { method: "PUT" });
    request.end(body);
    assert.strictEqual(await text(await answerTo(request)), createHash("sha256").update(body).digest("hex"));
  });

  it("refuse what would lead around Tor", async () => {
    using test = makeTest({});
    const error = await failure(get("http://site.tld.invalid/", test.agent, { socketPath: "/run/some.sock" }));
    assert.strictEqual(error.code, "ERR_INVALID_ARG_VALUE");
    const proxied = { proxyEnv: { HTTP_PROXY: "http://127.0.0.1:1", HTTPS_PROXY: "http://127.0.0.1:1" } };
    using told = makeTest({}, { agent: proxied as object });
    for (const scheme of ["http", "https"]) {
      assert.strictEqual((await failure(get(`${scheme}://gone.tld.invalid/`, told.agent))).code, "ENOTFOUND");
    }
    assert.strictEqual(told.tor.asked.length, 2);
  });
});
