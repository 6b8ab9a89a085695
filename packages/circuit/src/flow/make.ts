import type { ClockHealth } from "../congestion/clock-watch.ts";
import type { CongestionControl } from "../congestion/control.ts";
import type { FlowParams } from "./params.ts";
import type { StreamFlow } from "./stream-flow.ts";
import { windowFlow } from "./window-flow.ts";
import { type StreamRole, xonXoffFlow } from "./xon-xoff-flow.ts";

/** Flow control for a new stream of a circuit hop, of the kind that goes with the hop's congestion control. */
export const streamFlow = (
  control: Pick<CongestionControl, "streamFlow"> & { readonly view: ClockHealth },
  params: FlowParams,
  role: StreamRole,
): StreamFlow => (control.streamFlow === "window" ? windowFlow() : xonXoffFlow(params, role, control.view));
