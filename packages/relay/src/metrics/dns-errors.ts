import * as dns from "node:dns";
import type { MetricSample } from "@allium/kernel";
import { byLabel } from "./by-label.ts";

/** What `tor` calls an error of the DNS, by the platform's word for it. */
const reasons: Readonly<Record<string, string>> = {
  [dns.FORMERR]: "format",
  [dns.SERVFAIL]: "serverfailed",
  [dns.NOTFOUND]: "notexist",
  [dns.NOTIMP]: "notimpl",
  [dns.REFUSED]: "refused",
  [dns.BADRESP]: "truncated",
  [dns.TIMEOUT]: "tor_timeout",
  [dns.DESTRUCTION]: "shutdown",
  [dns.CANCELLED]: "cancel",
  [dns.NODATA]: "nodata",
};

/** Samples of `tor_relay_exit_dns_error_total`. */
export const dnsErrorSamples = (failures: ReadonlyMap<string, number>): ReadonlyArray<MetricSample> => {
  const counts = new Map([...Object.values(reasons), "unknown"].map((reason) => [reason, 0]));
  for (const [code, count] of failures) {
    const reason = reasons[code] ?? "unknown";
    counts.set(reason, (counts.get(reason) ?? 0) + count);
  }
  return byLabel("reason", counts);
};
