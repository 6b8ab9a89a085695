/** The program of `ChildOrigin`: `node origin-main.ts PORT`, questions over Node's message channel. */
import { LocalOrigin } from "./origin.ts";

const origin = await LocalOrigin.start(Number(process.argv[2]));

process.on("message", async (question) => {
  process.send?.(question === "connections" ? await origin.connections() : { host6: origin.host6 ?? null });
});
process.on("disconnect", () => process.exit());
