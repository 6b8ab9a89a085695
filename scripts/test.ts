/**
 * Runs every suite and sums them up in one last line. The suites that need real `tor` daemons run after the others and
 * alone, since they want the whole machine.
 *
 *   npm test                      everything
 *   npm test -- --project kernel  one suite
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

const extra = process.argv.slice(2);
const stages = extra.includes("--project")
  ? [[]]
  : [
      ["--project", "!interop"],
      ["--project", "interop"],
    ];
const directory = mkdtempSync(join(tmpdir(), "allium-test-"));
let passed = 0;
let failed = 0;
let skipped = 0;

for (const [index, stage] of stages.entries()) {
  const file = join(directory, `${index}.json`);
  const run = spawnSync(
    "vitest",
    [
      "run",
      "--config",
      "vitest.workspace.ts",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${file}`,
      ...stage,
      ...extra,
    ],
    { stdio: "inherit" },
  );
  let report: Report | undefined;
  try {
    report = JSON.parse(readFileSync(file, "utf8")) as Report;
  } catch {
    console.error(`The test runner ended with ${run.status ?? run.signal} and left no report.`);
  }
  passed += report?.numPassedTests ?? 0;
  failed += report?.numFailedTests ?? 0;
  skipped += (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  // A file that could not be loaded, or an error outside of any test, fails the run though no test of it did.
  if (run.status !== 0 && (report === undefined || report.numFailedTests === 0)) failed++;
}

rmSync(directory, { recursive: true, force: true });
if (passed + failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
