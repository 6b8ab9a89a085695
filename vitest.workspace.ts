import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";

/** The suites: one for each package and program, one for the tree itself, simulations, and one against real `tor` daemons. */
const members = ["packages", "apps"].flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`));

const unit = members.map((directory) => ({
  test: {
    name: directory.replace("packages/", ""),
    include: [`${directory}/test/**/*.test.ts`],
    // For machines under load: a test that waits for what never comes fails later, and one that is only slow does not fail.
    // Programs are tested as processes, and each takes a second to start.
    testTimeout: directory.startsWith("apps/") ? 120_000 : 60_000,
    hookTimeout: 60_000,
  },
}));

export default defineConfig({
  test: {
    projects: [
      ...unit,
      {
        test: {
          name: "tree",
          include: ["test/tree/**/*.test.ts", "test/support/**/*.test.ts", "test/memory-network/**/*.test.ts"],
          // Three days of a network, and fuzzing: half a minute each where nothing else runs.
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "sim",
          include: ["test/sim/**/*.test.ts"],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
