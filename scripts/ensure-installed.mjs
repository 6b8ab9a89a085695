// Installs the dependencies of a fresh clone. Plain JavaScript without new syntax: it runs on whatever Node the machine
// has, before the current one (the npm package `node`) is there.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const marker = "node_modules/.package-lock.json";
const stale = () => {
  if (!existsSync(marker) || !existsSync("node_modules/node/bin/node")) return true;
  const installed = JSON.parse(readFileSync(marker, "utf8")).packages || {};
  const wanted = JSON.parse(readFileSync("package-lock.json", "utf8")).packages || {};
  return Object.keys(wanted).some(
    (path) =>
      path.startsWith("node_modules/") &&
      !wanted[path].optional &&
      !wanted[path].link &&
      (!installed[path] || installed[path].version !== wanted[path].version),
  );
};

if (stale()) {
  console.error("Installing dependencies (npm ci) …");
  // Not its warnings: on an old Node they say of every package that it wants another, which is what is being installed.
  const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (done.status !== 0) process.exit(done.status === null ? 1 : done.status);
}
