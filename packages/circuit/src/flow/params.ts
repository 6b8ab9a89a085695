import { type GetParam, readParam } from "../congestion/consensus-params.ts";
import { flowParamTable } from "./param-table.ts";

/** Bytes of stream data in a DATA cell of relay cell format 0, the most that any format carries. */
export const dataCellBytesMax = 498;
/** Bytes of stream data in a DATA cell of relay cell format 1, the least that a full cell of any format carries. */
export const dataCellBytesMin = 488;

/** What the consensus says about XON and XOFF. */
export interface FlowParams {
  /** Buffered bytes above which a client or an onion service sends an XOFF. */
  readonly xoffClientBytes: number;
  /** Buffered bytes above which an exit does. */
  readonly xoffExitBytes: number;
  /** Bytes over which a drain rate is measured. */
  readonly xonRateBytes: number;
  /** Percentage of change of the drain rate that is worth an XON. */
  readonly xonChangePct: number;
  /** N of the smoothing of drain rates. */
  readonly xonEwmaCount: number;
}

/**
 * Reads what the consensus says. The parameters count cells; thresholds for XOFF are taken for the smaller cell format and
 * the rate for the larger, as `tor` 0.4.9 and Arti do.
 */
export const flowParams = (getParam: GetParam): FlowParams => {
  const read = (name: keyof typeof flowParamTable) => readParam(getParam, name, flowParamTable[name]);
  return {
    xoffClientBytes: read("cc_xoff_client") * dataCellBytesMin,
    xoffExitBytes: read("cc_xoff_exit") * dataCellBytesMin,
    xonRateBytes: read("cc_xon_rate") * dataCellBytesMax,
    xonChangePct: read("cc_xon_change_pct"),
    xonEwmaCount: read("cc_xon_ewma_cnt"),
  };
};
