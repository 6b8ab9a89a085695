/** Every installed dependency has a licence that an MIT project may ship with. */
import { existsSync, readFileSync } from "node:fs";

const ALLOWED = new Set([
  "MIT",
  "MIT-0",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Apache-2.0",
  "0BSD",
  "BlueOak-1.0.0",
  "Unlicense",
  "CC0-1.0",
  "Python-2.0",
]);
/** Build tools that are never shipped. */
const ALLOWED_TO_DEVELOP = new Set(["MPL-2.0"]);

interface Locked {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly link?: boolean;
}

const lock = (JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, Locked> }).packages;
let failed = false;
for (const [path, locked] of Object.entries(lock)) {
  const file = `${path}/package.json`;
  // Workspaces are ours, and what is for another platform is not installed.
  if (!path.includes("node_modules/") || locked.link === true || !existsSync(file)) continue;
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { name: string; license?: string };
  const develop = locked.dev === true || locked.devOptional === true || locked.optional === true;
  const choices = (manifest.license ?? "none").replace(/[()]/g, "").split(" OR ");
  if (choices.some((licence) => ALLOWED.has(licence) || (develop && ALLOWED_TO_DEVELOP.has(licence)))) continue;
  console.error(`${manifest.name}: licence ${manifest.license ?? "none"}`);
  failed = true;
}
if (failed) process.exitCode = 1;
