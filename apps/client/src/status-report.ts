import { type Endpoint, formatEndpoint } from "@allium/channel";
import type { BootstrapStatus, ProxyCounts, ProxyServer, TorClientService, TunnelInfo } from "@allium/client";
import { Result, Schema } from "effect";
import packageJson from "../package.json" with { type: "json" };

/** What a running client tells of itself, as JSON. */
export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  /** When this was true, in milliseconds. */
  readonly now: number;
  readonly socks: string;
  readonly dns: string | null;
  readonly bootstrap: BootstrapStatus;
  readonly proxy: ProxyCounts;
  readonly tunnels: ReadonlyArray<TunnelInfo>;
}

/** What is told of. */
export interface StatusSources {
  readonly client: TorClientService;
  readonly proxy: ProxyServer;
  readonly dns: Endpoint | undefined;
}

/** The report of this moment. */
export const statusReport = ({ client, proxy, dns }: StatusSources, now: number): StatusReport => ({
  version: packageJson.version,
  pid: process.pid,
  now,
  socks: proxy.endpoints.map(formatEndpoint).join(", "),
  dns: dns === undefined ? null : formatEndpoint(dns),
  bootstrap: client.status(),
  proxy: proxy.counts(),
  tunnels: client.tunnels(),
});

const number = Schema.optionalKey(Schema.Number);

const ReportedTunnels = Schema.Struct({
  now: Schema.Number,
  socks: Schema.String,
  bootstrap: Schema.Struct({ phase: Schema.String, progress: Schema.Number, waitsFor: Schema.String }),
  tunnels: Schema.Array(
    Schema.Struct({
      id: Schema.Number,
      purpose: Schema.String,
      state: Schema.String,
      createdAt: Schema.Number,
      streams: Schema.Number,
      isolated: Schema.Boolean,
      legs: Schema.Array(
        Schema.Struct({
          circuit: Schema.String,
          rttMillis: number,
          window: number,
          hops: Schema.Array(
            Schema.Struct({ fingerprint: Schema.String, nickname: Schema.String, address: Schema.String }),
          ),
        }),
      ),
    }),
  ),
});

/** What of a report is read again: it may come from a client of another version. */
export type ReportedTunnels = typeof ReportedTunnels.Type;

const decode = Schema.decodeUnknownResult(ReportedTunnels);

/** What of a report can be shown, or what is wrong with it. */
export const parseReport = (text: string): Result.Result<ReportedTunnels, string> => {
  try {
    return Result.mapError(decode(JSON.parse(text)), String);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return Result.fail(`its answer is no JSON: ${error.message}`);
  }
};
