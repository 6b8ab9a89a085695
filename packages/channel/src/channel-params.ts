import { CELL_BODY_LEN } from "@allium/cell";
import type { ChannelConfig } from "./channel-contract.ts";

/** A parameter's raw value in the consensus, or `undefined`. */
type Param = (name: string) => number | undefined;

const read = (param: Param, name: string, fallback: number, low: number, high: number): number =>
  Math.min(Math.max(param(name) ?? fallback, low), high);

const INT32_MAX = 0x7fff_ffff;

/** How a client's channels differ: those without circuits are closed sooner. */
const idleTimeouts = {
  relay: { name: "nf_conntimeout_relays", seconds: 3_600 },
  client: { name: "nf_conntimeout_clients", seconds: 1_800 },
} as const;

// The consensus parameters that channels follow (param-spec, padding-spec).
//
// | parameter | default | range | for |
// | --- | --- | --- | --- |
// | nf_ito_low, nf_ito_high | 1500, 9500 ms | 0 to 60000 | channel padding |
// | nf_pad_relays | 0 | 0, 1 | padding between relays |
// | nf_pad_before_usage | 1 | 0, 1 | padding before a channel is used |
// | nf_conntimeout_relays | 3600 s | 60 to 604800 | a relay's channels without circuits |
// | nf_conntimeout_clients | 1800 s | 60 to 604800 | a client's channels without circuits |
// | circ_max_cell_queue_size | 50000 cells | 1000 to 2^31 - 1 | a circuit's inbox, from the exit's side |
// | circ_max_cell_queue_size_out | as the one above | 1000 to 2^31 - 1 | the same from the client's side |

/** What channels follow. Asked anew each time: a new consensus may say something else. */
export const channelParams = (
  param: Param,
  role: keyof typeof idleTimeouts,
): Pick<ChannelConfig, "padding" | "idleTimeoutMillis" | "inboxLimitBytes"> => ({
  padding: () => {
    const lowMillis = read(param, "nf_ito_low", 1_500, 0, 60_000);
    return {
      lowMillis,
      highMillis: read(param, "nf_ito_high", 9_500, lowMillis, 60_000),
      padRelays: read(param, "nf_pad_relays", 0, 0, 1) === 1,
      padBeforeUsage: read(param, "nf_pad_before_usage", 1, 0, 1) === 1,
    };
  },
  idleTimeoutMillis: () => {
    const { name, seconds } = idleTimeouts[role];
    return read(param, name, seconds, 60, 604_800) * 1000;
  },
  inboxLimitBytes: (ours) => {
    const cells = read(param, "circ_max_cell_queue_size", 50_000, 1_000, INT32_MAX);
    return (ours ? cells : read(param, "circ_max_cell_queue_size_out", cells, 1_000, INT32_MAX)) * CELL_BODY_LEN;
  },
});
