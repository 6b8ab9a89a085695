import { dialOrigin, formatTable, runTransfers, type TransferReport } from "../../network/index.ts";
import { assertNoFailure } from "../tor-goodput.ts";
import { percentile } from "../tor-latency.ts";
import type { ClientBench } from "./network.ts";
import { cpuOf } from "./transfers.ts";
import type { ClientUnderTest } from "./under-test.ts";

/** Small requests, each a connection to the proxy and a stream of its own, all over one circuit. */
export interface RequestFigures {
  readonly client: string;
  /** One after another: seconds from the connection to the proxy to the last byte. */
  readonly median: number;
  readonly p95: number;
  /** Several at once. */
  readonly perSecond: number;
  /** Of the client's process, for each of those. */
  readonly cpuSeconds: number;
}

const REQUEST_BYTES = 2_000;
const CONCURRENCY = 20;

/** So many requests one after another, and four times as many several at a time. */
export const measureRequests = async (
  bench: ClientBench,
  count: number,
  onProgress: (text: string) => void,
): Promise<ReadonlyArray<RequestFigures>> => {
  const figures: Array<RequestFigures> = [];
  const clients = await bench.clients("requests");
  const ask = async (client: ClientUnderTest, requests: number, concurrency: number): Promise<TransferReport> => {
    const report = await runTransfers({
      dial: dialOrigin(client.socks("requests"), bench.origin),
      count: requests,
      concurrency,
      sizes: [REQUEST_BYTES],
      verify: false,
    });
    assertNoFailure(report);
    return report;
  };
  for (const client of clients) {
    onProgress(`${client.name}: small requests`);
    await ask(client, count, CONCURRENCY);
    const alone = (await ask(client, count, 1)).results.map(({ seconds }) => seconds);
    const requests = count * 4;
    const [cpuSeconds, { seconds }] = await cpuOf(client.pid, () => ask(client, requests, CONCURRENCY));
    figures.push({
      client: client.name,
      median: percentile(alone, 0.5),
      p95: percentile(alone, 0.95),
      perSecond: requests / seconds,
      cpuSeconds: cpuSeconds / requests,
    });
  }
  for (const client of clients) await client.stop();
  return figures;
};

/** The figures as a table in Markdown. */
export const formatRequests = (figures: ReadonlyArray<RequestFigures>): string =>
  formatTable(
    ["client", `${REQUEST_BYTES / 1e3} kB, ms (p95)`, `requests/s, ${CONCURRENCY} at once`, "CPU µs/request"],
    figures.map(({ client, median, p95, perSecond, cpuSeconds }) => [
      client,
      `${(median * 1e3).toFixed(1)} (${(p95 * 1e3).toFixed(1)})`,
      perSecond.toFixed(0),
      (cpuSeconds * 1e6).toFixed(0),
    ]),
  );
