import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
  createAgent,
  createDispatcher,
  createTorClient,
  layerTorClientNode,
  type OwnTorClient,
  StreamOpenError,
  TorClient,
  type TorClientConfig,
  TorHttpClient,
} from "@allium/client";
import { parseAuthorities } from "@allium/directory";
import { afterAll, assert, beforeAll, it, vi } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { HttpClient } from "effect/http";
import { pageOverTor } from "../../packages/client/test/examples/over-tor.ts";
import { CERTIFICATE, httpServer, httpsServer, type TestServer } from "../../packages/client/test/support/servers.ts";
import { webSocketEcho } from "../../packages/client/test/support/websocket-server.ts";
import { eventually, TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

const MIB = 1024 * 1024;
const BIG = randomBytes(20 * MIB);

const HOSTS = Array.from({ length: 20 }, (_, index) => `host${index}.test`);

const failure = async (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error) => error,
  );

const onRequest: http.RequestListener = async (request, response) => {
  const hash = createHash("sha256");
  for await (const chunk of request) hash.update(chunk);
  switch (request.url) {
    case "/big":
      response.end(BIG);
      return;
    case "/endless":
      response.on("error", () => {});
      while (!response.destroyed) {
        if (!response.write(Buffer.alloc(MIB))) await Promise.race([once(response, "drain"), once(response, "close")]);
      }
      return;
    case "/digest":
      response.end(hash.digest("hex"));
      return;
    default:
      response.end(`${request.headers.host}${request.url}`.padEnd(5_000));
  }
};

describeWithTor("a Tor client within a program, in a network of tor", () => {
  let network: TorNetwork;
  let tor: OwnTorClient;
  let web: TestServer;
  let secure: TestServer;
  let echo: TestServer;

  const config = (name: string): TorClientConfig => ({
    dataDir: join(network.directory, name),
    testNetwork: true,
    authorities: parseAuthorities(readFileSync(network.authoritiesFile, "utf8")),
  });

  const streams = (): number => tor.tunnels().reduce((sum, tunnel) => sum + tunnel.streams, 0);

  beforeAll(async () => {
    network = await TorNetwork.start({ clients: 0, exits: 2 });
    for (const host of [...HOSTS, "web.test", "secure.tld.invalid"]) network.names.setHost(host, "127.0.0.1");
    [web, secure, echo] = await Promise.all([httpServer(onRequest), httpsServer(onRequest), webSocketEcho()]);
    const logged = vi.spyOn(console, "log");
    tor = await createTorClient(config("embedded"));
    await tor.ready(AbortSignal.timeout(60_000));
    // A library is quiet.
    assert.deepStrictEqual(logged.mock.calls, []);
    logged.mockRestore();
  });

  afterAll(async () => {
    await tor?.close();
    for (const server of [web, secure, echo]) await server?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  it("brings a page in as few lines as the README has", async () => {
    const page = await pageOverTor(`http://web.test:${web.port}/few`, config("few lines"));
    assert.strictEqual(page.trimEnd(), `web.test:${web.port}/few`);
  });

  it("leads fetch, agents and WebSockets to names that exits resolve", async () => {
    const dispatcher = createDispatcher(tor, { tls: { ca: CERTIFICATE } });
    const agent = createAgent(tor, { agent: { ca: CERTIFICATE } });
    const plain = `http://web.test:${web.port}/page`;
    const overTls = `https://secure.tld.invalid:${secure.port}/page`;
    const page = (url: string) => url.replace(/^\w+:\/\//, "");
    assert.strictEqual((await (await fetch(plain, { dispatcher })).text()).trimEnd(), page(plain));
    assert.strictEqual((await (await fetch(overTls, { dispatcher })).text()).trimEnd(), page(overTls));
    const [answer] = await once(http.get(plain, { agent: agent.http }), "response");
    assert.strictEqual((await text(answer)).trimEnd(), page(plain));
    const [answerOverTls] = await once(https.get(overTls, { agent: agent.https }), "response");
    assert.strictEqual((await text(answerOverTls)).trimEnd(), page(overTls));
    const socket = new WebSocket(`ws://web.test:${echo.port}/`, { dispatcher });
    await once(socket, "open");
    socket.send("hello");
    assert.strictEqual((await once(socket, "message"))[0].data, "hello");
    socket.close();
    await once(socket, "close");
    await dispatcher.destroy();
    agent.destroy();
    await eventually("no stream left", () => streams() === 0);
  });

  it("brings what is large as it was, both ways", async () => {
    const dispatcher = createDispatcher(tor);
    const response = await fetch(`http://web.test:${web.port}/big`, { dispatcher });
    const hash = createHash("sha256");
    for await (const chunk of response.body ?? []) hash.update(chunk);
    assert.strictEqual(hash.digest("hex"), createHash("sha256").update(BIG).digest("hex"));
    const body = BIG.subarray(0, 5 * MIB);
    const uploaded = await fetch(`http://web.test:${web.port}/digest`, { dispatcher, method: "PUT", body });
    assert.strictEqual(await uploaded.text(), createHash("sha256").update(body).digest("hex"));
    await dispatcher.destroy();
  });

  it("answers a hundred requests over twenty hosts that share no circuit", async () => {
    const dispatcher = createDispatcher(tor, { isolateHosts: true, agent: { connections: 3 } });
    const urls = Array.from({ length: 100 }, (_, index) => `${HOSTS[index % HOSTS.length]}:${web.port}/${index}`);
    const pages = await Promise.all(urls.map(async (url) => (await fetch(`http://${url}`, { dispatcher })).text()));
    assert.deepStrictEqual(
      pages.map((page) => page.trimEnd()),
      urls,
    );
    const used = tor.tunnels().filter(({ isolated, dirtySince }) => isolated && dirtySince !== undefined);
    assert.isAtLeast(used.length, HOSTS.length);
    await dispatcher.destroy();
  });

  it("lets go of what is given up", async () => {
    const agent = createAgent(tor);
    const request = http.get(`http://web.test:${web.port}/endless`, { agent: agent.http });
    const [answer] = await once(request, "response");
    request.on("error", () => {});
    answer.on("error", () => {});
    await once(answer, "data");
    answer.destroy();
    await eventually("no stream left", () => streams() === 0);
    // The exit has closed its connection too.
    await eventually("no connection left", () => web.connections() === 0);
  });

  it("tells why there is no stream", async () => {
    const dispatcher = createDispatcher(tor);
    const error = await failure(fetch("http://nowhere.test/", { dispatcher }));
    assert.instanceOf(error.cause, StreamOpenError);
    assert.strictEqual(error.cause.code, "ENOTFOUND");
    const port = await network.ports.take();
    const refused = await failure(fetch(`http://web.test:${port}/`, { dispatcher }));
    // `tor` 0.4.9 does not always know why a connection failed.
    assert.include(["ECONNREFUSED", "ERR_TOR_END_MISC"], (refused.cause as StreamOpenError).code);
    await dispatcher.destroy();
  });

  it("does the same for code on HttpClient, by a layer", async () => {
    const layer = layerTorClientNode(config("embedded-layer"));
    const page = Effect.flatMap(HttpClient.get(`http://web.test:${web.port}/layer`), (response) => response.text);
    const program = Effect.gen(function* () {
      const other = yield* (yield* TorClient).isolated;
      const asOther = page.pipe(Effect.provide(TorHttpClient.layer), Effect.provideService(TorClient, other));
      return yield* Effect.all([page, asOther]);
    });
    const pages = await Effect.runPromise(
      program.pipe(Effect.provide(Layer.provideMerge(TorHttpClient.layer, layer)), Effect.timeout("60 seconds")),
    );
    for (const got of pages) assert.strictEqual(got.trimEnd(), `web.test:${web.port}/layer`);
  });

  it("tells its requests when it is closed, at once", async () => {
    const own = await createTorClient(config("embedded-closed"));
    await own.ready(AbortSignal.timeout(60_000));
    const agent = createAgent(own);
    const request = http.get(`http://web.test:${web.port}/endless`, { agent: agent.http });
    const [answer] = await once(request, "response");
    request.on("error", () => {});
    const broken = failure(text(answer));
    const started = performance.now();
    await own.close();
    assert.strictEqual(((await broken) as NodeJS.ErrnoException).code, "ECONNRESET");
    assert.isBelow(performance.now() - started, 5_000);
    const late = await failure(own.open({ host: "web.test", port: web.port }));
    assert.instanceOf(late, StreamOpenError);
  });
});
