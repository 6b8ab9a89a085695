import type { CongestionControl } from "./control.ts";
import { fixedWindow } from "./fixed-window.ts";
import type { AgreedParams } from "./params.ts";
import { vegas } from "./vegas.ts";

/** The sending half of a circuit hop's flow control, as it was agreed. */
export const congestionControl = (agreed: AgreedParams): CongestionControl =>
  agreed.algorithm === "vegas" ? vegas(agreed) : fixedWindow(agreed);
