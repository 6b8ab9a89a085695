import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { TorMissingError } from "./errors.ts";

/** The line that installs what the private network needs. */
export const INSTALL_TOR = "apt-get install tor";

const NEEDED = ["tor", "tor-gencert"] as const;

/** The full path of a program; Debian keeps daemons in directories that are not on everybody's PATH. */
export const findProgram = (name: string): string | undefined => {
  for (const directory of [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
};

/** Which of the programs `tor` and `tor-gencert` are not installed; empty when a network can be started. */
export const missingTor = (): ReadonlyArray<string> => NEEDED.filter((name) => findProgram(name) === undefined);

/** @throws TorMissingError */
export const requireProgram = (name: (typeof NEEDED)[number] | "tor-resolve"): string => {
  const path = findProgram(name);
  if (path === undefined) throw new TorMissingError([name]);
  return path;
};
