import type { AgreedParams } from "@allium/circuit";
import { splitKeyMaterial, tor1 } from "@allium/crypto";
import type { AskedCircuit } from "../../../packages/circuit/src/relay/asked-circuit.ts";
import { type CircuitHome, OpenCircuit } from "../../../packages/circuit/src/relay/open-circuit.ts";
import { PlainInbound, PlainOutbound } from "./plain-crypto.ts";

/** An exit's circuit whose cells are not encrypted. */
export class ResponderCircuit extends OpenCircuit {
  private readonly plainInbound = new PlainInbound();
  private readonly plainOutbound = new PlainOutbound();

  constructor(home: CircuitHome, id: number, asked: AskedCircuit, agreed: AgreedParams) {
    super(home, id, asked, { command: 0, payload: NO_BYTES, keys: KEYS, agreed });
  }

  override get crypto(): PlainInbound {
    return this.plainInbound;
  }

  override get outbound(): PlainOutbound {
    return this.plainOutbound;
  }
}

const NO_BYTES = Buffer.alloc(0);

/** Never used. */
const KEYS = splitKeyMaterial(Buffer.alloc(92), tor1);
