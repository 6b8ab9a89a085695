import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { plainClient, TorHttpClient } from "../src/index.ts";
import { ask, asSomebodyElse, page, watch } from "./examples/effect.ts";
import { lookUp, twoIdentities, whyNot, withAgent, withFetch, withSocket, withWebSocket } from "./examples/plain.ts";
import { start } from "./examples/start.ts";
import { httpServer, type TestServer, tcpServer } from "./support/servers.ts";
import { TorStandIn } from "./support/stand-in.ts";
import { webSocketEcho } from "./support/websocket-server.ts";

const here = new URL(".", import.meta.url);
const read = (path: string) => readFile(new URL(path, here), "utf8");

describe.each([
  ["docs/embedding.md", "../../../docs/embedding.md", 20],
  ["the client's README", "../README.md", 20],
  ["the first lines of the whole project's README", "../../../README.md", 1],
] as const)("what %s shows", (_, page, most) => {
  it("is a part of what runs here, or beside daemons", async () => {
    const names = await readdir(new URL("examples/", here));
    const examples = await Promise.all(names.map((name) => read(`examples/${name}`)));
    const blocks = [...(await read(page)).matchAll(/```ts\n([\s\S]*?)```/g)].slice(0, most);
    assert.isNotEmpty(blocks);
    for (const [, block = ""] of blocks) {
      assert.isTrue(
        examples.some((example) => example.includes(block)),
        `not in any example:\n${block}`,
      );
    }
  });
});

/** Servers of the world, as its names go. */
const makeWorld = async () => {
  const servers: ReadonlyArray<TestServer> = [
    await httpServer((_, response) => response.end("a page")),
    await webSocketEcho(),
    await tcpServer((socket) => socket.once("data", (question) => socket.end(`nothing of ${question}`))),
  ];
  const [web, echo, whois] = servers.map(({ port }) => port) as [number, number, number];
  const tor = new TorStandIn(
    { "example.com:80": web, "echo.example:80": echo, "whois.example:43": whois },
    { "example.com": "192.0.2.1" },
  );
  return {
    tor,
    client: plainClient(tor.service, Context.empty()),
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
};

describe("the examples for plain programs", () => {
  it("bring pages, messages and answers", async () => {
    await using world = await makeWorld();
    assert.strictEqual(await withFetch(world.client), "a page");
    assert.strictEqual(await withAgent(world.client), "a page");
    assert.strictEqual(await withWebSocket(world.client), "hello");
    assert.strictEqual(await withSocket(world.client), "nothing of example.com\r\n");
    assert.deepStrictEqual(await lookUp(world.client), ["192.0.2.1 for 60 s"]);
    assert.match(await whyNot(world.client), /^ENOTFOUND: the exit could not resolve the name/);
  });

  it("keep identities apart", async () => {
    await using world = await makeWorld();
    await twoIdentities(world.client);
    const asked = world.tor.asked.map(({ identity, isolation }) => `${identity} ${isolation}`);
    assert.strictEqual(new Set(asked).size, 4);
  });

  it("start and end a client, and tell what it waits for", async () => {
    const directory = await mkdtemp(join(tmpdir(), "allium-client-"));
    try {
      const lines: Array<string> = [];
      const config = { dataDir: join(directory, "tor-data"), testNetwork: true, authorities: [] };
      await start(config, (line) => lines.push(line), AbortSignal.abort());
      assert.match(lines[0] ?? "", /^\d+ %: \S/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe("the examples for programs on Effect", () => {
  it.live("bring a page and an answer, as themselves and as somebody else", () =>
    Effect.gen(function* () {
      const world = yield* Effect.acquireRelease(Effect.promise(makeWorld), (world) =>
        Effect.promise(() => world[Symbol.asyncDispose]()),
      );
      const { layer } = world.tor;
      assert.strictEqual(yield* page.pipe(Effect.provide(Layer.provide(TorHttpClient.layer, layer))), "a page");
      assert.strictEqual(yield* asSomebodyElse.pipe(Effect.provide(layer)), "a page");
      assert.deepStrictEqual(
        world.tor.asked.map(({ identity }) => identity),
        [0, 1],
      );
      const answer = yield* ask.pipe(Effect.provide(layer));
      assert.strictEqual(
        Buffer.concat(answer.map((chunk) => Buffer.from(chunk))).toString(),
        "nothing of example.com\r\n",
      );
      const lines: Array<string> = [];
      yield* watch((line) => lines.push(line)).pipe(Effect.provide(layer));
      assert.deepStrictEqual(lines, ["nothing"]);
    }).pipe(Effect.scoped),
  );
});
