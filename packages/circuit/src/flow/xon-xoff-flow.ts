import type { ClockHealth } from "../congestion/clock-watch.ts";
import type { FlowParams } from "./params.ts";
import { SideChannelLimits } from "./side-channel-limits.ts";
import type { StreamFlow } from "./stream-flow.ts";
import { XonXoffReceive } from "./xon-xoff-receive.ts";
import { XonXoffSend } from "./xon-xoff-send.ts";

/**
 * Which end of a stream this is. Clients and onion services have an application nearby and an identity to hide: they have their
 * own threshold for XOFF and check the other end's XONs and XOFFs.
 */
export type StreamRole = "client" | "exit";

/** Flow control of a stream by XON and XOFF: for circuits with congestion control. */
export const xonXoffFlow = (params: FlowParams, role: StreamRole, clock: ClockHealth): StreamFlow =>
  role === "client"
    ? {
        send: new XonXoffSend(new SideChannelLimits(params)),
        receive: new XonXoffReceive(params, params.xoffClientBytes, clock),
      }
    : { send: new XonXoffSend(undefined), receive: new XonXoffReceive(params, params.xoffExitBytes, clock) };
