import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The Debian packages of the programs that this needs, beside `tor`. */
const PACKAGES = { unshare: "util-linux", ip: "iproute2", tcpdump: "tcpdump", strace: "strace" } as const;

/** The arguments of `unshare` for a network of its own without anything in it. A user who is not root is it in there. */
export const enterNamespace = (): ReadonlyArray<string> => [
  ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
  "--net",
  "--mount",
  "--kill-child",
];

/** What keeps this computer from running something in a namespace of its own; undefined if nothing does. */
export const namespaceMissing = (): string | undefined => {
  const missing = Object.entries(PACKAGES).filter(([program]) => spawnSync(program, ["--version"]).error !== undefined);
  if (missing.length > 0) return `apt-get install ${missing.map(([, name]) => name).join(" ")}`;
  const { status, stderr } = spawnSync("unshare", [...enterNamespace(), "ip", "link", "set", "lo", "up"], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : `the kernel gives no namespaces: ${stderr.trim()}`;
};

/** A name server where nobody listens, and where a packet to it would be seen. */
const RESOLV_CONF = "nameserver 127.0.0.1\n";

/**
 * Runs a module of this directory in a network namespace that has nothing but a loopback interface, and whose names are to be looked up
 * there too. Answers with the JSON that it has written to the file whose path is its argument.
 */
export const inNamespace = async <A>(module: string): Promise<A> => {
  const directory = mkdtempSync(join(tmpdir(), "allium-namespace-"));
  try {
    const report = join(directory, "report.json");
    const names = join(directory, "resolv.conf");
    writeFileSync(names, RESOLV_CONF);
    const script = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && exec "$2" "$3" "$4"';
    const main = fileURLToPath(new URL(module, import.meta.url));
    const args = [...enterNamespace(), "sh", "-c", script, "sh", names, process.execPath, main, report];
    const child = spawn("unshare", args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`it ended with ${code}:\n${output}`);
    return JSON.parse(readFileSync(report, "utf8")) as A;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
