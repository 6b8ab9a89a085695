import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import { text } from "node:stream/consumers";
import { assert, describe, it } from "@effect/vitest";
import { createAgent, createDispatcher, plainOpener } from "../../src/index.ts";
import { httpServer } from "../support/servers.ts";
import { TorStandIn } from "../support/stand-in.ts";
import { turnsUntil, turnsUntilStill } from "../support/turns.ts";

const MIB = 1024 * 1024;

const HOSTS = Array.from({ length: 20 }, (_, index) => `host${index}.tld.invalid`);

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

describe("many requests at once", () => {
  /** Each of 100 requests over 20 hosts gets what is its own. */
  const load = async (get: (url: string) => Promise<string>): Promise<void> => {
    const urls = Array.from({ length: 100 }, (_, index) => `http://${HOSTS[index % HOSTS.length]}/${index}`);
    const answers = await Promise.all(urls.map(get));
    assert.deepStrictEqual(
      answers.map((answer) => answer.slice(0, 40).trimEnd()),
      urls,
    );
  };

  const serve = () =>
    httpServer((request, response) => response.end(`http://${request.headers.host}${request.url}`.padEnd(20_000)));

  const standIn = (port: number) => new TorStandIn(Object.fromEntries(HOSTS.map((host) => [`${host}:80`, port])));

  it("are each answered, over as many circuits as there are hosts, by an agent", async () => {
    await using server = await serve();
    const tor = standIn(server.port);
    const agent = createAgent(plainOpener(tor.service), { isolateHosts: true, agent: { maxSockets: 3 } });
    await load(async (url) => {
      const [answer] = await once(http.get(url, { agent: agent.http }), "response");
      return text(answer);
    });
    // Three at a time for each host, and used again.
    assert.strictEqual(tor.asked.length, 60);
    assert.strictEqual(new Set(tor.asked.map(({ isolation }) => isolation)).size, HOSTS.length);
    agent.destroy();
    await turnsUntil(() => tor.open === 0 && server.connections() === 0);
  });

  it("are each answered, over as many circuits as there are hosts, by a dispatcher", async () => {
    await using server = await serve();
    const tor = standIn(server.port);
    const dispatcher = createDispatcher(plainOpener(tor.service), { isolateHosts: true, agent: { connections: 3 } });
    await load(async (url) => (await fetch(url, { dispatcher })).text());
    assert.isAtMost(tor.asked.length, 60);
    assert.strictEqual(new Set(tor.asked.map(({ isolation }) => isolation)).size, HOSTS.length);
    await dispatcher.destroy();
    await turnsUntil(() => tor.open === 0 && server.connections() === 0);
  });
});

describe("a large answer", () => {
  it("comes as it was sent, and is never in memory as a whole", async () => {
    const piece = randomBytes(MIB);
    const hash = createHash("sha256");
    await using server = await httpServer(async (_, response) => {
      for (let index = 0; index < 50; index++) {
        piece.writeUInt32BE(index);
        hash.update(piece);
        if (!response.write(Buffer.from(piece))) await once(response, "drain");
      }
      response.end();
    });
    const tor = new TorStandIn({ "site.tld.invalid:80": server.port });
    const agent = createAgent(plainOpener(tor.service));
    const [answer] = await once(http.get("http://site.tld.invalid/", { agent: agent.http }), "response");
    const got = createHash("sha256");
    let length = 0;
    let most = 0;
    for await (const chunk of answer) {
      got.update(chunk);
      length += chunk.length;
      // What the stand-in's exit holds for it: the reader's own buffers are no larger.
      most = Math.max(most, tor.pending);
    }
    assert.strictEqual(length, 50 * MIB);
    assert.strictEqual(got.digest("hex"), hash.digest("hex"));
    assert.isAtMost(most, MIB);
    agent.destroy();
  });

  it("stays with its sender while nobody reads it", async () => {
    let ended = false;
    await using server = await httpServer(async (_, response) => {
      for (let index = 0; index < 100 && !response.destroyed; index++) {
        if (!response.write(Buffer.alloc(MIB))) await Promise.race([once(response, "drain"), once(response, "close")]);
      }
      ended = true;
      response.end();
    });
    const tor = new TorStandIn({ "site.tld.invalid:80": server.port });
    const agent = createAgent(plainOpener(tor.service));
    const dispatcher = createDispatcher(plainOpener(tor.service));
    const [byAgent] = await once(http.get("http://site.tld.invalid/", { agent: agent.http }), "response");
    const byFetch = await fetch("http://site.tld.invalid/", { dispatcher });
    await turnsUntil(() => tor.delivered > 0);
    // For each its connection's buffer, and what the library reads ahead.
    assert.isBelow(await turnsUntilStill(() => tor.delivered), 2 * MIB);
    assert.isFalse(ended);
    byAgent.destroy();
    await byFetch.body?.cancel();
    await turnsUntil(() => tor.open === 0);
    agent.destroy();
    await dispatcher.destroy();
  });
});

describe("a large upload", () => {
  it("waits for a server that does not read, and goes on with it", async () => {
    const body = randomBytes(30 * MIB);
    let proceed = () => {};
    await using server = await httpServer((request, response) => {
      request.pause();
      proceed = () => {
        const hash = createHash("sha256");
        request.on("data", (chunk) => hash.update(chunk)).on("end", () => response.end(hash.digest("hex")));
        request.resume();
      };
    });
    const tor = new TorStandIn({ "site.tld.invalid:80": server.port });
    const agent = createAgent(plainOpener(tor.service));
    const request = http.request("http://site.tld.invalid/", { agent: agent.http, method: "PUT" });
    const answered = once(request, "response");
    answered.catch(() => {});
    let written = 0;
    for (let at = 0; at < body.length; at += 64 * 1024) {
      request.write(body.subarray(at, at + 64 * 1024), () => written++);
    }
    request.end();
    await turnsUntil(() => tor.open === 1);
    assert.isBelow((await turnsUntilStill(() => written)) * 64 * 1024, 29 * MIB);
    proceed();
    const [answer] = await answered;
    assert.strictEqual(await text(answer), sha256(body));
    agent.destroy();
    await turnsUntil(() => tor.open === 0);
  });
});
