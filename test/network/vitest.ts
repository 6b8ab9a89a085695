import { assert, describe, it } from "@effect/vitest";
import { INSTALL_TOR, missingTor } from "./availability.ts";

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
