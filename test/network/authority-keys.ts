import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { requireProgram } from "./availability.ts";
import { forgetDirectory, reapDirectory } from "./reaper.ts";

const FILES = ["authority_identity_key", "authority_signing_key", "authority_certificate"] as const;

/** An authority's voting keys, as `tor-gencert` writes them, and its `v3ident`. */
export interface AuthorityKeys {
  readonly v3ident: string;
  readonly files: ReadonlyArray<readonly [name: string, content: Buffer]>;
}

const cache: Array<Promise<AuthorityKeys>> = [];

/** The keys of authority number `index`: made once in a run, since making them takes longer than starting a daemon. */
export const authorityKeys = (index: number): Promise<AuthorityKeys> => {
  cache[index] ??= generate();
  return cache[index];
};

const generate = async (): Promise<AuthorityKeys> => {
  const directory = await mkdtemp(join(tmpdir(), "allium-authority-"));
  reapDirectory(directory);
  try {
    const running = promisify(execFile)(
      requireProgram("tor-gencert"),
      ["--create-identity-key", "--passphrase-fd", "0", "-m", "12"],
      { cwd: directory },
    );
    running.child.stdin?.end("private network\n");
    await running;
    const files = FILES.map((name) => [name, readFileSync(join(directory, name))] as const);
    const certificate = files[2]![1].toString("latin1");
    return { v3ident: /^fingerprint ([0-9A-F]{40})$/m.exec(certificate)![1]!, files };
  } finally {
    rmSync(directory, { recursive: true, force: true });
    forgetDirectory(directory);
  }
};

/** Puts the keys where an authority looks for them. */
export const installAuthorityKeys = (keys: AuthorityKeys, dataDirectory: string): void => {
  const directory = join(dataDirectory, "keys");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [name, content] of keys.files) writeFileSync(join(directory, name), content, { mode: 0o600 });
};

/** Makes a relay's long-term keys in `dataDirectory` without starting it, and gives its fingerprint in hex. */
export const makeRelayIdentity = async (nickname: string, dataDirectory: string, orPort: number): Promise<string> => {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  // None of the network's options: `tor` refuses TestingTorNetwork as long as the authorities are not known.
  const torrc = `${dataDirectory}.identity`;
  writeFileSync(torrc, `Nickname ${nickname}\nDataDirectory ${dataDirectory}\nORPort ${orPort}\nSocksPort 0\n`);
  const { stdout } = await promisify(execFile)(requireProgram("tor"), [
    "--list-fingerprint",
    "--hush",
    "-f",
    torrc,
    "--defaults-torrc",
    "/dev/null",
  ]);
  rmSync(torrc);
  return /^\S+ ((?:[0-9A-F]{4} ?){10})$/m.exec(stdout)![1]!.replaceAll(" ", "");
};
