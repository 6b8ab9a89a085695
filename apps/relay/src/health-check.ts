import { readFileSync } from "node:fs";
import { get } from "node:http";
import { parse } from "smol-toml";

/**
 * Whether a relay on this machine is well, for what watches over a container: `node health-check.ts FILE`, with the relay's
 * configuration. It is well if its metrics page answers, which takes an event loop that has a turn for it. A relay without such a page
 * cannot be asked, and passes for well.
 *
 * The file was checked when the relay began, and only one key of it is of interest: it is read without the rest of the program,
 * since this runs once a minute.
 */
const healthCheck = (file: string): void => {
  const { metrics } = parse(readFileSync(file, "utf8")) as { readonly metrics?: { readonly listen?: string } };
  if (metrics?.listen === undefined) return;
  // Who listens everywhere listens here too.
  const here = metrics.listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
  const unwell = (why: string): void => {
    console.error(`http://${here}/metrics: ${why}`);
    process.exitCode = 1;
  };
  const request = get(`http://${here}/metrics`, { timeout: TIMEOUT_MILLIS }, (answer) => {
    if (answer.statusCode !== 200) unwell(`status ${answer.statusCode}`);
    answer.resume();
  });
  request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MILLIS / 1_000} s`)));
  request.on("error", (error) => unwell(error.message));
};

/** As long as the relay itself takes for a scrape at most. */
const TIMEOUT_MILLIS = 10_000;

healthCheck(process.argv[2] ?? "relay.toml");
