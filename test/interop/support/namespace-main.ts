/**
 * A private network of `tor` and a client within one network namespace, and all that may go well or wrong. Writes what left the client to
 * the file that its argument names, for `client-namespace.test.ts`. Run it by `inNamespace`.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import {
  AlliumClient,
  CLIENT_PROGRAM,
  dialOrigin,
  eventually,
  formatRequest,
  ManagedProcess,
  pause,
  runTransfers,
  SOCKS_REPLIES,
  SocksError,
  socksConnect,
  socksResolve,
  socksResolvePtr,
  TorNetwork,
  type TorNode,
  writeClientConfig,
} from "../../network/index.ts";
import { type Allowed, ownerOf, PACKET_FILTER, packetsOf, TRACED_CALLS } from "./leaks.ts";

/** What was seen. */
export interface NamespaceReport {
  readonly allowed: Allowed;
  /** How each thing that was tried has ended: shows that it was tried. */
  readonly stages: Readonly<Record<string, string>>;
  /** What begins the paths of the clients' own sockets. */
  readonly directory: string;
  /** Of everybody in the namespace. */
  readonly packets: ReadonlyArray<string>;
  /** Who has connected to a web server. */
  readonly visitors: ReadonlyArray<string>;
  /** The same, from when a program leaked on purpose. */
  readonly leaked: Pick<NamespaceReport, "packets" | "visitors">;
  /** What the capture says of what it has missed. */
  readonly dropped: string;
  /** Of the proxy, of fetches, and of a program that leaks. */
  readonly calls: Readonly<Record<"proxy" | "fetch" | "leak", ReadonlyArray<string>>>;
}

const stages: Record<string, string> = {};
const stage = async (what: string, work: () => Promise<string>): Promise<void> => {
  stages[what] = await work().catch((error: unknown) =>
    error instanceof SocksError ? (SOCKS_REPLIES[error.code] ?? String(error.code)) : String(error),
  );
};

const lines = (file: string): ReadonlyArray<string> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");

await using network = await TorNetwork.start({
  clients: 0,
  relays: 3,
  exits: 2,
  // Chance may lead some paths through the relay that hangs: it is not to take a minute each time to find out.
  consensusParams: { cfx_enabled: 0, cbtinitialtimeout: 5_000 },
  equalBandwidths: true,
});
const { directory } = network;
const strace = (name: string) =>
  ["strace", "-D", "-f", "--seccomp-bpf", "-e", `trace=${TRACED_CALLS}`, "-s", "200"].concat(
    "-o",
    join(directory, `${name}.strace`),
    "-A",
  );

const packetFile = join(directory, "packets");
await using capture = await ManagedProcess.start({
  name: "tcpdump",
  command: "tcpdump",
  args: ["-i", "any", "-nn", "-t", "-l", "-B", "16384", "-s", "128", "-Z", "root", PACKET_FILTER],
  logFile: packetFile,
});
await eventually("the capture to begin", () => readFileSync(packetFile, "utf8").includes("listening on"));

const client = await AlliumClient.start(network, { under: strace("proxy"), bootstrapMs: 120_000 });
const origin = await network.childOrigin();
const webPort = await network.ports.take();
const closedPort = await network.ports.take();
const visitors: Array<string> = [];
const web = createServer((_request, answer) => answer.end("a page\n"))
  .on("connection", ({ remotePort = 0 }) => visitors.push(ownerOf(remotePort, webPort, network.exits)))
  .listen(webPort, "127.0.0.1");
await once(web, "listening");
const fetching = await writeClientConfig(network, { name: "fetching" });

const fetched = async (...args: ReadonlyArray<string>): Promise<string> => {
  const [command = "", ...rest] = [
    ...strace("fetch"),
    CLIENT_PROGRAM,
    "fetch",
    "--config",
    fetching.configFile,
    ...args,
  ];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const [code] = await once(child, "close");
  return `${code}: ${output.trim()}`;
};

const transfer = async (isolation: string): Promise<string> => {
  const { failures } = await runTransfers({
    dial: dialOrigin({ ...client.socks(isolation), timeoutMs: 150_000 }, { host: "check.test", port: origin.port }),
    count: 4,
    concurrency: 2,
    sizes: [100_000],
    directions: ["both"],
    timeoutMs: 180_000,
  });
  return failures.length === 0 ? "equal" : failures.map(({ error }) => String(error)).join();
};

/** What there is before an application is served. */
const garbage = (bytes: Buffer | string): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(client.socksPort, "127.0.0.1", () => socket.end(bytes));
    let heard = 0;
    socket.on("data", (chunk) => {
      heard += chunk.length;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(`closed after ${heard} bytes`));
  });

/** The daemons of the path of a stream that is open. */
const pathOf = async (isolation: string): Promise<ReadonlyArray<TorNode>> => {
  const socket = await socksConnect(client.socks(isolation), "check.test", origin.port);
  socket.write(formatRequest({ mode: "echo" }));
  const args = ["circuits", "--json", "--config", client.configFile];
  const { stdout } = spawnSync(CLIENT_PROGRAM, args, { encoding: "utf8" });
  const { tunnels } = JSON.parse(stdout) as {
    tunnels: ReadonlyArray<{
      streams: number;
      purpose: string;
      legs: ReadonlyArray<{ hops: ReadonlyArray<{ nickname: string }> }>;
    }>;
  };
  const used = tunnels.find(({ streams, purpose }) => streams > 0 && purpose === "exit");
  socket.destroy();
  return (used?.legs[0]?.hops ?? []).map(({ nickname }) => network.node(nickname));
};

await stage("transfers", () => transfer("first"));
await stage("a name is resolved", () => socksResolve(client.socks(), "check.test"));
network.names.setHost("192.0.2.1", "192.0.2.1");
network.names.setHost("back.test", "192.0.2.1");
await stage("an address is resolved", () => socksResolvePtr(client.socks(), "192.0.2.1"));
await stage("an unknown name", async () => {
  await socksConnect(client.socks(), "nowhere.test", 80);
  return "open";
});
await stage("an unknown name is resolved", () => socksResolve(client.socks(), "nowhere.test"));
await stage("localhost", async () => {
  await socksConnect(client.socks(), "localhost", origin.port);
  return "open";
});
await stage("an onion service", async () => {
  await socksConnect(client.socks(), `${"a".repeat(56)}.onion`, 80);
  return "open";
});
await stage("a port where nobody listens", async () => {
  await socksConnect(client.socks(), "check.test", closedPort);
  return "open";
});
await stage("garbage", async () => {
  const all = [
    Buffer.from([5, 1, 0, 5, 1, 0, 3, 4, 0, 0xff, 0x2e, 0x20, 0, 80]),
    Buffer.from([5, 1, 0, 5, 3, 0, 1, 127, 0, 0, 1, 0, 53]),
    Buffer.from([4, 1, 0, 80, 0, 0, 0, 1, 0, 0x6e, 0x6f]),
    Buffer.alloc(3_000, 0xa5),
    "GET http://nowhere.test/ HTTP/1.1\r\nHost: nowhere.test\r\n\r\n",
    "CONNECT nowhere.test HTTP/1.1\r\n\r\n",
    "CONNECT [::1 HTTP/1.1\r\n\r\n",
  ];
  for (const bytes of all) await garbage(bytes);
  return "survived";
});
await stage("fetch", () => fetched(`http://check.test:${webPort}/page`));
await stage("fetch of an unknown name", () => fetched("http://nowhere.test/"));

const [, , exit] = await pathOf("exit");
await exit?.kill();
await stage("after the exit was killed", () => transfer("after exit"));
await exit?.start();
const [, middle] = await pathOf("middle");
if (middle !== undefined) process.kill(middle.pid, "SIGSTOP");
await stage("while the middle hangs", () => transfer("while hanging"));
if (middle !== undefined) process.kill(middle.pid, "SIGCONT");
const [guard] = await pathOf("guard");
await guard?.kill();
await stage("after the guard was killed", () => transfer("after guard"));
await guard?.start();

spawnSync("ip", ["link", "set", "lo", "down"]);
await stage("fetch without a network", () => fetched("--bootstrap-seconds", "5", `http://check.test:${webPort}/page`));
await pause(3_000);
spawnSync("ip", ["link", "set", "lo", "up"]);
await eventually("the client to be back", async () => (await transfer(`back ${performance.now()}`)) === "equal", {
  timeoutMs: 150_000,
  everyMs: 500,
});
stages["after the network was back"] = "equal";

const ended = await client.stop();
stages["the end"] = `code ${ended.code}`;
const before = packetsOf(lines(packetFile)).length;
const visits = visitors.length;

// Whoever finds nothing must be able to find something.
const leak = `
  const dns = require("node:dns"), net = require("node:net");
  dns.lookup("leak.example", () => {
    const socket = net.connect(${webPort}, "127.0.0.1", () => { socket.destroy(); new dns.Resolver({ tries: 1, timeout: 500 }).resolve4("leak.example", () => {}); });
  });
`;
const [command = "", ...args] = [...strace("leak"), process.execPath, "--eval", leak];
await once(spawn(command, args, { stdio: "ignore" }), "close");
const captured = (text: string) =>
  packetsOf(lines(packetFile))
    .slice(before)
    .some((line) => line.includes(text));
await eventually("the leaks to be captured", () => captured("> 127.0.0.1.53:"));
capture.signal("SIGINT");
await capture.exited;
web.close();
web.closeAllConnections();

const all = lines(packetFile);
const packets = packetsOf(all);
const ports = (of: (node: TorNode) => number): ReadonlyArray<number> => network.nodes.map(of);
writeFileSync(
  process.argv[2] ?? "/dev/stdout",
  JSON.stringify({
    allowed: {
      orPorts: ports(({ orPort }) => orPort),
      clientPorts: [client.socksPort],
      otherPorts: [
        ...ports(({ controlPort }) => controlPort),
        ...ports(({ dirPort }) => dirPort),
        ...[origin.port, webPort, closedPort],
      ],
      namePort: network.names.port,
    },
    stages,
    directory,
    packets: packets.slice(0, before),
    visitors: visitors.slice(0, visits),
    leaked: { packets: packets.slice(before), visitors: visitors.slice(visits) },
    dropped: all.find((line) => line.includes("dropped by kernel")) ?? "",
    calls: {
      proxy: lines(join(directory, "proxy.strace")),
      fetch: lines(join(directory, "fetch.strace")),
      leak: lines(join(directory, "leak.strace")),
    },
  } satisfies NamespaceReport),
);
