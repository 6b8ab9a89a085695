/**
 * All checks but the tests: types, lint and format, import direction, licences of what is installed, and that every
 * package could be published.
 */
import { spawnSync } from "node:child_process";

const checks: ReadonlyArray<readonly [name: string, command: string, ...args: ReadonlyArray<string>]> = [
  ["types", "tsc", "--noEmit", "-p", "."],
  ["lint and format", "biome", "check", "--error-on-warnings", "."],
  ["import direction", "node", "scripts/check-imports.ts"],
  ["licences", "node", "scripts/check-licences.ts"],
  ["publishable", "node", "scripts/pack.ts", "--check"],
];

let failed = 0;
for (const [name, command, ...args] of checks) {
  console.log(`== ${name}`);
  const run = spawnSync(command, args, { stdio: "inherit" });
  if (run.status !== 0) {
    console.error(`== ${name}: failed`);
    failed++;
  }
}
console.log(failed === 0 ? "All checks passed." : `${failed} of ${checks.length} checks failed.`);
process.exitCode = failed === 0 ? 0 : 1;
