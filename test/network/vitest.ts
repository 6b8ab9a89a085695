import { assert, describe, it } from "@effect/vitest";
import { INSTALL_TOR, isInstalled, missingTor } from "./availability.ts";

/** Milliseconds for a test, most of which take some seconds: it ends those that hang, and none that is slow as its machine is. */
const TEST_TIMEOUT = 300_000;

/**
 * `describe` for suites that need system `tor` daemons. Without them the suite is skipped, and says so; with
 * `ALLIUM_REQUIRE_TOR=1` (continuous integration) it fails instead.
 */
export const describeWithTor = (name: string, body: () => void): void => {
  const missing = missingTor();
  const message = `${missing.join(" and ")} not found: "${name}" not run. Install with: ${INSTALL_TOR}`;
  if (missing.length > 0 && process.env["ALLIUM_REQUIRE_TOR"] === "1") {
    describe(name, () => {
      it("has the programs it needs", () => assert.fail(message));
    });
    return;
  }
  if (missing.length > 0) console.error(`SKIPPED: ${message}`);
  describe.runIf(missing.length === 0)(name, { timeout: TEST_TIMEOUT }, body);
};

/** `it` for tests that run another program of the system, such as `curl`. Without it: as `describeWithTor` without `tor`. */
export const itWithProgram = (program: string, name: string, body: () => Promise<void>): void => {
  const message = `${program} not found: "${name}" not run. Install with: apt-get install ${program}`;
  if (isInstalled(program)) it(name, body);
  else if (process.env["ALLIUM_REQUIRE_TOR"] === "1") it(name, () => assert.fail(message));
  else {
    console.error(`SKIPPED: ${message}`);
    it.skip(name, body);
  }
};
