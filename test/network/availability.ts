import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { TorMissingError } from "./errors.ts";

/** The line that installs what the private network needs. */
export const INSTALL_TOR = "apt-get install tor";

const NEEDED = ["tor", "tor-gencert"] as const;

/** PATH, and where Debian keeps daemons, which is not on everybody's PATH. */
const searchPath = (): ReadonlyArray<string> => [
  ...(process.env["PATH"] ?? "").split(delimiter),
  "/usr/sbin",
  "/usr/local/sbin",
];

const findProgram = (name: string, directories: ReadonlyArray<string>): string | undefined =>
  directories
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

/** Which of the programs `tor` and `tor-gencert` are not installed; empty when a network can be started. */
export const missingTor = (directories = searchPath()): ReadonlyArray<string> =>
  NEEDED.filter((name) => findProgram(name, directories) === undefined);

/** Whether a program is installed. */
export const isInstalled = (program: string): boolean => findProgram(program, searchPath()) !== undefined;

/** The full path of a program. @throws TorMissingError */
export const requireProgram = (name: (typeof NEEDED)[number] | "tor-resolve"): string => {
  const path = findProgram(name, searchPath());
  if (path === undefined) throw new TorMissingError([name]);
  return path;
};
