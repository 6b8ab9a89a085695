import { spawn } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type RequestListener, request, type Server } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  AlliumClient,
  CLIENT_PROGRAM,
  dialOrigin,
  eventually,
  type Origin,
  runTransfers,
  SOCKS_REPLIES,
  socksConnect,
  socksResolve,
  socksResolvePtr,
  TorNetwork,
  writeClientConfig,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { socksCode } from "./support/allium.ts";

/** After so long an exit on a busy machine has read what it learns of before it learns of a reset. */
const UNTIL_READ_MS = 1_500;

const page: RequestListener = (asked, answer) => {
  switch (asked.url) {
    case "/moved":
      answer.writeHead(302, { Location: "/page" }).end();
      return;
    case "/none":
      answer.writeHead(404).end();
      return;
    case "/broken":
      answer.writeHead(200, { "Content-Length": 100_000 });
      answer.write("half", () => setTimeout(() => answer.socket?.resetAndDestroy(), UNTIL_READ_MS));
      return;
    default:
      answer.end("a page\n");
  }
};

describeWithTor("allium-client in a network of tor", () => {
  let network: TorNetwork;
  let client: AlliumClient;
  let origin: Origin;
  let server: Server;
  let web: string;
  let fetching: { readonly configFile: string };

  beforeAll(async () => {
    network = await TorNetwork.start({ clients: 0, exits: 2 });
    client = await AlliumClient.start(network, { dns: true });
    origin = await network.childOrigin();
    fetching = await writeClientConfig(network, { name: "fetching" });
    const port = await network.ports.take();
    server = createServer(page).listen(port, "127.0.0.1");
    await once(server, "listening");
    web = `check.test:${port}`;
  });

  afterAll(async () => {
    server?.close();
    await network?.[Symbol.asyncDispose]();
  });

  /** Runs the program to its end. */
  const run = async (...args: ReadonlyArray<string>) => {
    const child = spawn(CLIENT_PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    const [code] = await once(child, "close");
    return { code: code as number | null, ...output };
  };

  const fetched = (...args: ReadonlyArray<string>) => run("fetch", "--config", fetching.configFile, ...args);

  it("carries transfers both ways, many at a time, each byte as it was", async () => {
    const report = await runTransfers({
      dial: dialOrigin(client.socks(), origin),
      count: 60,
      concurrency: 20,
      sizes: [0, 1, 1_000_000],
      directions: ["down", "up", "both"],
    });
    assert.deepStrictEqual(report.failures, []);
  });

  it("opens tunnels by HTTP CONNECT", async () => {
    const asking = request({ host: "127.0.0.1", port: client.socksPort, method: "CONNECT", path: web }).end();
    const [answer, socket] = (await once(asking, "connect")) as [{ statusCode: number }, Socket];
    assert.strictEqual(answer.statusCode, 200);
    socket.write("GET /page HTTP/1.0\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.include(text, "a page");
  });

  it("has names resolved by exits, forward and back, by SOCKS and by DNS", async () => {
    network.names.setHost("198.51.100.7", "198.51.100.7");
    network.names.setHost("resolved.test", "198.51.100.7");
    assert.strictEqual(await socksResolve(client.socks(), "resolved.test"), "198.51.100.7");
    assert.strictEqual(await socksResolvePtr(client.socks(), "198.51.100.7"), "resolved.test");
    const resolver = new Resolver({ timeout: 20_000, tries: 1 });
    resolver.setServers([`127.0.0.1:${client.dnsPort}`]);
    assert.deepStrictEqual(await resolver.resolve4("resolved.test"), ["198.51.100.7"]);
    assert.deepStrictEqual(await resolver.reverse("198.51.100.7"), ["resolved.test"]);
    const unknown = await resolver.resolve4("nowhere.test").catch((error: NodeJS.ErrnoException) => error.code);
    assert.strictEqual(unknown, "ENOTFOUND");
  });

  it("tells applications why there is no stream", async () => {
    const refusal = async (host: string, port: number) =>
      SOCKS_REPLIES[await socksCode(socksConnect(client.socks(), host, port))];
    assert.strictEqual(await refusal("nowhere.test", 80), "host unreachable");
    assert.strictEqual(await refusal(`${"a".repeat(56)}.onion`, 80), undefined);
  });

  it("resets an application whose stream breaks, behind the last byte that came", async () => {
    const port = await network.ports.take();
    const breaking = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.write("half of it", () => setTimeout(() => socket.resetAndDestroy(), UNTIL_READ_MS));
    }).listen(port, "127.0.0.1");
    const socket = await socksConnect(client.socks(), "check.test", port);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    assert.deepStrictEqual([text, error.code], ["half of it", "ECONNRESET"]);
    breaking.close();
  });

  it("keeps streams of different credentials on different circuits, and shows them all", async () => {
    const sockets = await Promise.all(
      ["alice", "bob", "alice"].map((name) => socksConnect(client.socks(name), origin.host, origin.port)),
    );
    const { stdout, code } = await run("circuits", "--json", "--config", client.configFile);
    assert.strictEqual(code, 0);
    const { tunnels } = JSON.parse(stdout) as {
      tunnels: ReadonlyArray<{ purpose: string; isolated: boolean; streams: number }>;
    };
    const used = tunnels.filter(({ purpose, streams }) => purpose === "exit" && streams > 0);
    assert.deepStrictEqual(used.map(({ streams }) => streams).sort(), [1, 2]);
    const table = await run("circuits", "--config", client.configFile);
    assert.match(table.stdout, /^TUNNEL +FOR +STATE/);
    assert.match(table.stdout, /exit, isolated +open .* → .* → exit\d/);
    for (const socket of sockets) socket.destroy();
    await eventually("the streams to be gone", async () => {
      const { proxy } = JSON.parse((await run("circuits", "--json", "--config", client.configFile)).stdout);
      return proxy.streams === 0;
    });
  });

  it("fetches: prints, saves, follows, and says what is wrong", async () => {
    assert.deepStrictEqual(await fetched(`http://${web}/page`), { code: 0, stdout: "a page\n", stderr: "" });
    const file = join(network.directory, "page");
    const saved = await fetched("-o", file, `${web}/moved`);
    assert.deepStrictEqual([saved.code, saved.stdout], [0, ""], saved.stderr);
    assert.match(saved.stderr, /page: 7 B\. Nothing left this computer but connections to \d+ relays?\n$/);
    assert.strictEqual(readFileSync(file, "utf8"), "a page\n");

    const none = await fetched(`${web}/none`);
    assert.deepStrictEqual([none.code, none.stderr], [1, `${web} answers 404 Not Found\n`]);
    const part = join(network.directory, "part");
    const broken = await fetched("-o", part, `${web}/broken`);
    assert.deepStrictEqual([broken.code, broken.stderr], [1, `${web}: the stream broke after 4 of 100000 bytes\n`]);
    assert.isFalse(existsSync(part) || existsSync(`${part}.part`));
    const noTls = await fetched(`https://${web}/`);
    assert.deepStrictEqual([noTls.code, noTls.stdout], [1, ""]);
    assert.include(noTls.stderr, "it does not speak TLS as it should");
    const nowhere = await fetched("nowhere.test");
    assert.include(nowhere.stderr, "nowhere.test: the exit could not resolve the name");
  });

  it("ends in order, and starts again with what it knows", async () => {
    assert.deepStrictEqual(await client.stop(), { code: 0, signal: null });
    assert.deepStrictEqual(client.warnings(), []);
    await using again = await client.again();
    await eventually("it to be bootstrapped once more", () => again.log().split("bootstrapped:").length === 3);
    const report = await runTransfers({
      dial: dialOrigin(again.socks(), origin),
      count: 2,
      concurrency: 2,
      sizes: [1_000],
      directions: ["both"],
    });
    assert.deepStrictEqual(report.failures, []);
  });
});
