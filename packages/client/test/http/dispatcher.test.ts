import { createHash, randomBytes } from "node:crypto";
import { EndReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import {
  ConnectError,
  createDispatcher,
  plainOpener,
  StreamOpenError,
  type TorDispatcherOptions,
} from "../../src/index.ts";
import { watchLookups } from "../support/lookups.ts";
import { CERTIFICATE, httpServer, httpsServer, tcpServer } from "../support/servers.ts";
import { type Route, TorStandIn } from "../support/stand-in.ts";
import { turns, turnsUntil } from "../support/turns.ts";
import { webSocketEcho } from "../support/websocket-server.ts";

/** A dispatcher over streams that lead to servers of this test. */
const makeTest = (routes: Readonly<Record<string, Route>>, options?: TorDispatcherOptions) => {
  const tor = new TorStandIn(routes);
  const dispatcher = createDispatcher(plainOpener(tor.service), options);
  return { tor, dispatcher, [Symbol.asyncDispose]: () => dispatcher.destroy() };
};

const failure = async (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error) => error,
  );

const causeOf = (error: Error): NodeJS.ErrnoException => error.cause as NodeJS.ErrnoException;

describe("a dispatcher for fetch", () => {
  it("brings a page from a name that only the exit knows", async () => {
    await using server = await httpServer((request, response) => response.end(`hello ${request.headers.host}`));
    await using test = makeTest({ "site.tld.invalid:80": server.port });
    const { dispatcher } = test;
    using lookups = watchLookups();
    const answer = await fetch("http://site.tld.invalid/", { dispatcher });
    assert.strictEqual(await answer.text(), "hello site.tld.invalid");
    assert.deepStrictEqual(lookups.names, []);
    await failure(fetch("http://site.tld.invalid/"));
    assert.deepStrictEqual(lookups.names, ["site.tld.invalid"]);
  });

  it("checks the certificate against the name, and speaks HTTP/1.1", async () => {
    await using server = await httpsServer((request, response) => response.end(request.httpVersion));
    await using test = makeTest(
      { "secure.tld.invalid:443": server.port, "other.tld.invalid:443": server.port },
      { tls: { ca: CERTIFICATE } },
    );
    const { dispatcher } = test;
    assert.strictEqual(await (await fetch("https://secure.tld.invalid/", { dispatcher })).text(), "1.1");
    const wrong = await failure(fetch("https://other.tld.invalid/", { dispatcher }));
    assert.strictEqual(causeOf(wrong).code, "ERR_TLS_CERT_ALTNAME_INVALID");
    await using unknown = makeTest({ "secure.tld.invalid:443": server.port });
    const selfSigned = await failure(fetch("https://secure.tld.invalid/", { dispatcher: unknown.dispatcher }));
    assert.strictEqual(causeOf(selfSigned).code, "DEPTH_ZERO_SELF_SIGNED_CERT");
    await turnsUntil(() => unknown.tor.open === 0);
  });

  it("tells why there is no stream, in the cause", async () => {
    await using test = makeTest({ "shut.tld.invalid:80": { fails: { end: EndReason.CONNECTREFUSED } } });
    const { dispatcher } = test;
    const error = await failure(fetch("http://shut.tld.invalid/", { dispatcher }));
    assert.instanceOf(error, TypeError);
    assert.instanceOf(error.cause, StreamOpenError);
    assert.strictEqual(causeOf(error).code, "ECONNREFUSED");
    assert.instanceOf(causeOf(error).cause, ConnectError);
    assert.strictEqual(causeOf(await failure(fetch("https://gone.tld.invalid/", { dispatcher }))).code, "ENOTFOUND");
  });

  it("uses a connection again, and keeps hosts apart if it is to", async () => {
    await using server = await httpServer((request, response) => response.end(request.headers.host));
    const routes = { "a.tld.invalid:80": server.port, "b.tld.invalid:80": server.port, "::1:8080": server.port };
    await using test = makeTest(routes, { isolateHosts: true, isolation: "mine", family: "ipv4-only" });
    const { dispatcher } = test;
    for (const host of ["a.tld.invalid", "b.tld.invalid", "a.tld.invalid", "[::1]:8080"]) {
      assert.strictEqual(await (await fetch(`http://${host}/`, { dispatcher })).text(), host);
      await turns();
    }
    assert.deepStrictEqual(
      test.tor.asked.map(({ host }) => host),
      ["a.tld.invalid", "b.tld.invalid", "::1"],
    );
    assert.strictEqual(new Set(test.tor.asked.map(({ isolation }) => isolation)).size, 3);
    await using plain = makeTest(routes, { isolation: "mine" });
    await (await fetch("http://a.tld.invalid/", { dispatcher: plain.dispatcher })).text();
    assert.deepStrictEqual(
      plain.tor.asked.map(({ isolation, family }) => [isolation, family]),
      [["mine", "any"]],
    );
  });

  it("lets a fetch be given up while its stream is being opened, and gives up the stream when it is destroyed", async () => {
    const test = makeTest({ "silent.tld.invalid:80": "silence", "silent.tld.invalid:443": "silence" });
    const { dispatcher } = test;
    const controller = new AbortController();
    const aborted = failure(fetch("http://silent.tld.invalid/", { dispatcher, signal: controller.signal }));
    await turnsUntil(() => test.tor.asked.length === 1);
    controller.abort();
    assert.strictEqual((await aborted).name, "AbortError");
    const other = failure(fetch("https://silent.tld.invalid/", { dispatcher }));
    await turnsUntil(() => test.tor.asked.length === 2);
    await dispatcher.destroy();
    assert.instanceOf(await other, TypeError);
    await turnsUntil(() => test.tor.givenUp === 2);
  });

  it("closes the stream of a fetch that is given up in its middle", async () => {
    await using server = await httpServer((_, response) => {
      response.write("the beginning");
    });
    await using test = makeTest({ "site.tld.invalid:80": server.port });
    const controller = new AbortController();
    const answer = await fetch("http://site.tld.invalid/", { dispatcher: test.dispatcher, signal: controller.signal });
    const reader = answer.body?.getReader();
    assert.strictEqual(Buffer.from((await reader?.read())?.value ?? []).toString(), "the beginning");
    controller.abort();
    await failure(reader?.read() ?? Promise.resolve());
    await turnsUntil(() => test.tor.open === 0 && server.connections() === 0);
  });

  it("tells of a stream that breaks in the middle of an answer", async () => {
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("the beginning");
    });
    await using test = makeTest({ "site.tld.invalid:80": server.port });
    const answer = await fetch("http://site.tld.invalid/", { dispatcher: test.dispatcher });
    const broken = failure(answer.text());
    await turns();
    test.tor.breakAll();
    const error = await broken;
    assert.instanceOf(error, TypeError);
    assert.strictEqual(causeOf(error).code, "ECONNRESET");
  });

  it("sends what is uploaded, as a stream too", async () => {
    const body = randomBytes(3_000_000);
    const digest = createHash("sha256").update(body).digest("hex");
    await using server = await httpsServer(async (request, response) => {
      const hash = createHash("sha256");
      for await (const chunk of request) hash.update(chunk);
      response.end(hash.digest("hex"));
    });
    await using test = makeTest({ "secure.tld.invalid:443": server.port }, { tls: { ca: CERTIFICATE } });
    const { dispatcher } = test;
    const url = "https://secure.tld.invalid/";
    assert.strictEqual(await (await fetch(url, { dispatcher, method: "PUT", body })).text(), digest);
    const stream = new Blob([body]).stream();
    const request = { dispatcher, method: "PUT", body: stream, duplex: "half" } as const;
    assert.strictEqual(await (await fetch(url, request)).text(), digest);
  });

  it("tries again over another stream what a server has closed while it was idle", async () => {
    await using server = await tcpServer((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    });
    await using test = makeTest({ "site.tld.invalid:80": server.port });
    const { dispatcher } = test;
    for (let round = 1; round <= 3; round++) {
      assert.strictEqual(await (await fetch("http://site.tld.invalid/", { dispatcher })).text(), "ok");
      await turnsUntil(() => test.tor.open === 0);
    }
  });
});

describe("a dispatcher for WebSocket", () => {
  it("leads messages to a server and back", async () => {
    await using server = await webSocketEcho();
    await using test = makeTest({ "echo.tld.invalid:80": server.port });
    using lookups = watchLookups();
    const socket = new WebSocket("ws://echo.tld.invalid/", { dispatcher: test.dispatcher });
    const messages: Array<unknown> = [];
    const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
    socket.addEventListener("message", ({ data }) => {
      messages.push(data);
      if (messages.length === 1) socket.send("again");
      else socket.close();
    });
    socket.addEventListener("open", () => socket.send("hello"));
    await closed;
    assert.deepStrictEqual(messages, ["hello", "again"]);
    assert.deepStrictEqual(lookups.names, []);
    await turnsUntil(() => test.tor.open === 0);
  });

  it("tells of a stream that is not to be had", async () => {
    await using test = makeTest({});
    const socket = new WebSocket("ws://gone.tld.invalid/", { dispatcher: test.dispatcher });
    const events: Array<string> = [];
    socket.addEventListener("error", () => events.push("error"));
    await new Promise((resolve) => socket.addEventListener("close", resolve));
    assert.deepStrictEqual(events, ["error"]);
  });
});
