import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import { connect } from "node:net";
import { join, normalize } from "node:path";
import { pipeline } from "node:stream";
import { text } from "node:stream/consumers";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  CERTIFICATE,
  httpServer,
  httpsServer,
  started,
  type TestServer,
} from "../../packages/client/test/support/servers.ts";
import { webSocketEcho } from "../../packages/client/test/support/websocket-server.ts";
import { AlliumClient, eventually, socksConnect, TorNetwork } from "../network/index.ts";
import { describeWithTor, itWithProgram } from "../network/vitest.ts";
import { texts } from "./support/allium.ts";
import { clientReport, tunnelsInUse } from "./support/client.ts";

const KEY = readFileSync(new URL("../../packages/client/test/fixtures/test-only.key.pem", import.meta.url));
const BIG = randomBytes(3_000_000);
const HOSTS = Array.from({ length: 20 }, (_, index) => `host${index}.test`);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What a browser keeps to, for each host. */
const CONNECTIONS_OF_A_BROWSER = 6;

/** Runs a program to its end, without the proxies and the settings of whoever runs the tests. Rejects if it fails. */
const run = async (
  command: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const { PATH = "" } = process.env;
  const options = { env: { PATH, ...env }, maxBuffer: 2 * BIG.length, encoding: "latin1" } as const;
  return (await promisify(execFile)(command, args, options)).stdout;
};

/** Has Node's own client come through the proxy as a browser does: each host by credentials of its own. */
class BrowserAgent extends http.Agent {
  private readonly proxyPort: number;

  constructor(proxyPort: number) {
    super({ keepAlive: true, maxSockets: CONNECTIONS_OF_A_BROWSER });
    this.proxyPort = proxyPort;
  }

  override createConnection(
    target: http.ClientRequestArgs,
    callback?: Parameters<http.Agent["createConnection"]>[1],
  ): undefined {
    const host = String(target.host);
    const isolation = { user: host, password: "a browser" };
    socksConnect({ port: this.proxyPort, isolation }, host, Number(target.port)).then(
      (socket) => callback?.(null, socket),
      (error) => callback?.(error, undefined as never),
    );
  }
}

describeWithTor("programs that use allium-client as their proxy", () => {
  let network: TorNetwork;
  let client: AlliumClient;
  let web: TestServer;
  let secure: TestServer;
  let echo: TestServer;
  /** TLS before `echo`. */
  let secureEcho: TestServer;
  /** The file of whom to trust. */
  let authority: string;
  /** What is served below /files. */
  let files: string;
  /** By connection, the hosts that were asked for over it. */
  const hostsOf = new Map<object, Set<string>>();

  const onRequest: http.RequestListener = async (request, response) => {
    const { url = "", socket, headers } = request;
    const hosts = hostsOf.get(socket) ?? new Set();
    hostsOf.set(socket, hosts.add((headers.host ?? "").replace(/:\d+$/, "")));
    if (url === "/digest") {
      response.end(sha256(Buffer.concat(await request.toArray())));
    } else if (url === "/big") {
      response.end(BIG);
    } else if (url.startsWith("/files/")) {
      const file = createReadStream(join(files, normalize(url.slice("/files".length).replace(/\?.*/, ""))));
      file.on("error", () => response.writeHead(404).end());
      file.on("open", () => file.pipe(response));
    } else {
      response.end(`${headers.host}${url}\n`);
    }
  };

  beforeAll(async () => {
    network = await TorNetwork.start({ clients: 0, relays: 2, exits: 2 });
    files = join(network.directory, "files");
    mkdirSync(files);
    authority = join(network.directory, "authority.pem");
    writeFileSync(authority, CERTIFICATE);
    for (const host of [...HOSTS, "web.test", "secure.tld.invalid"]) network.names.setHost(host, "127.0.0.1");
    [web, secure, echo] = await Promise.all([httpServer(onRequest), httpsServer(onRequest), webSocketEcho()]);
    secureEcho = await started(
      createTlsServer({ key: KEY, cert: CERTIFICATE }, (socket) => {
        const inner = connect(echo.port, "127.0.0.1");
        // How it ends is for the test to see at the other end.
        pipeline(socket, inner, socket, () => {});
      }),
    );
    client = await AlliumClient.start(network);
  });

  afterAll(async () => {
    for (const server of [web, secure, echo, secureEcho]) await server?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  /** Waits until those that had streams have let go of them, and the proxy has seen it. */
  const noStreams = () =>
    eventually("the streams to be gone", async () => (await clientReport(client)).proxy.streams === 0);

  const proxied = (scheme: string): ReadonlyArray<string> => ["--proxy", `${scheme}://127.0.0.1:${client.socksPort}`];

  itWithProgram("curl", "curl: SOCKS5, SOCKS4a and HTTP CONNECT, downloads, uploads, TLS", async () => {
    const curl = (...args: ReadonlyArray<string>) => run("curl", ["--silent", "--show-error", "--fail", ...args]);
    const page = `web.test:${web.port}/page`;
    const upload = join(network.directory, "upload");
    writeFileSync(upload, BIG);
    for (const way of [proxied("socks5h"), proxied("socks4a"), ["--proxytunnel", ...proxied("http")]]) {
      assert.strictEqual(await curl(...way, `http://${page}`), `${page}\n`);
      const downloaded = await curl(...way, `http://web.test:${web.port}/big`);
      assert.strictEqual(sha256(Buffer.from(downloaded, "latin1")), sha256(BIG));
      const digest = await curl(...way, "--data-binary", `@${upload}`, `http://web.test:${web.port}/digest`);
      assert.strictEqual(digest, sha256(BIG));
    }
    const overTls = `secure.tld.invalid:${secure.port}/page`;
    for (const scheme of ["socks5h", "http"])
      assert.strictEqual(await curl(...proxied(scheme), "--cacert", authority, `https://${overTls}`), `${overTls}\n`);
    const refused = await curl(...proxied("socks5h"), "http://nowhere.test/").catch(
      ({ code, stderr }: { readonly code: number; readonly stderr: string }) => ({ code, stderr }),
    );
    // 97: the proxy has refused.
    assert.deepInclude(refused, { code: 97 });
  });

  itWithProgram("git", "git: clones and fetches over HTTP", async () => {
    const home = join(network.directory, "home");
    const work = join(network.directory, "work");
    const clone = join(network.directory, "clone");
    const served = join(files, "repository.git");
    mkdirSync(home);
    const settings = { HOME: home, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };
    const git = (directory: string, ...args: ReadonlyArray<string>) =>
      run("git", ["-C", directory, "-c", "user.name=a", "-c", "user.email=a@b.test", ...args], settings);
    const commit = async (name: string, content: Uint8Array) => {
      writeFileSync(join(work, name), content);
      await git(work, "add", name);
      await git(work, "commit", "--quiet", "--message", name);
      await git(work, "push", "--quiet", served, "HEAD:refs/heads/main");
      await git(served, "update-server-info");
    };
    await git(home, "init", "--quiet", "--initial-branch=main", work);
    await git(home, "init", "--quiet", "--bare", "--initial-branch=main", served);
    for (let index = 0; index < 10; index++) await commit(`file${index}`, randomBytes(1_000));
    await commit("big", BIG);

    const through = ["-c", `http.proxy=socks5h://127.0.0.1:${client.socksPort}`];
    await git(home, ...through, "clone", "--quiet", `http://web.test:${web.port}/files/repository.git`, clone);
    assert.strictEqual(sha256(readFileSync(join(clone, "big"))), sha256(BIG));
    await commit("later", Buffer.from("later\n"));
    await git(clone, ...through, "pull", "--quiet", "--ff-only");
    assert.strictEqual(readFileSync(join(clone, "later"), "utf8"), "later\n");
    assert.strictEqual(await git(clone, "rev-parse", "HEAD"), await git(work, "rev-parse", "HEAD"));
    await git(clone, "fsck", "--strict");
  });

  it("a browser: 100 small requests over 20 hosts, each host apart, over few connections that are kept", async () => {
    await noStreams();
    hostsOf.clear();
    const agent = new BrowserAgent(client.socksPort);
    const visit = async (host: string, path: string): Promise<void> => {
      const url = `${host}:${web.port}/${path}`;
      const [answer] = await once(http.get(`http://${url}`, { agent }), "response");
      assert.strictEqual(await text(answer), `${url}\n`);
    };
    const parts = ["style", "script", "picture", "font"];
    // A page, and what it is made of, from all hosts at once.
    await Promise.all(
      HOSTS.map(async (host) => {
        await visit(host, "");
        await Promise.all(parts.map((part) => visit(host, part)));
      }),
    );
    const connections = [...hostsOf.values()];
    // No connection is for two hosts, and the page's own was used again for a part.
    assert.deepStrictEqual([...new Set(connections.map((hosts) => hosts.size))], [1]);
    for (const host of HOSTS) {
      const count = connections.filter((hosts) => hosts.has(host)).length;
      assert.isAtMost(count, parts.length, host);
    }
    assert.strictEqual((await tunnelsInUse(client)).length, HOSTS.length);
    agent.destroy();
  });

  it("Node itself: fetch and WebSocket by the proxy of the environment", async () => {
    const program = `
      const { argv: [, page, echo] } = process;
      console.log((await (await fetch(page)).text()).trim());
      const socket = new WebSocket(echo);
      socket.onopen = () => ["one", "two"].forEach((word) => socket.send(word));
      socket.onmessage = ({ data }) => {
        console.log(data);
        if (data === "two") socket.close();
      };
    `;
    const [page, socket] = [`secure.tld.invalid:${secure.port}/page`, `secure.tld.invalid:${secureEcho.port}/`];
    const said = await run(
      process.execPath,
      ["--input-type=module", "--eval", program, `https://${page}`, `wss://${socket}`],
      {
        NODE_USE_ENV_PROXY: "1",
        HTTPS_PROXY: `http://127.0.0.1:${client.socksPort}`,
        NODE_EXTRA_CA_CERTS: authority,
      },
    );
    assert.deepStrictEqual(said.trim().split("\n"), [page, "one", "two"]);
  });

  it("leaves nothing behind, and nothing to warn of in any log", async () => {
    await noStreams();
    for (const server of [web, secure, echo, secureEcho])
      await eventually("no connection", () => server.connections() === 0);
    assert.deepStrictEqual(await client.stop(), { code: 0, signal: null });
    assert.deepStrictEqual(texts(client.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
