import { type AgreedParams, makeHopFlow } from "@allium/circuit";
import { splitKeyMaterial, tor1 } from "@allium/crypto";
import type { CircuitSeat } from "../../../packages/circuit/src/circuit-seat.ts";
import { type ClientHome, OpenClientCircuit } from "../../../packages/circuit/src/client/open-client-circuit.ts";
import { PlainInbound, PlainOutbound } from "./plain-crypto.ts";

/** A client's circuit of one hop whose cells are not encrypted. */
export class InitiatorCircuit extends OpenClientCircuit {
  private readonly plainInbound = new PlainInbound();
  private readonly plainOutbound = new PlainOutbound();

  constructor(home: ClientHome, id: number, seat: CircuitSeat, agreed: AgreedParams) {
    super(home, id, seat, { target: TARGET, keys: KEYS, flow: makeHopFlow(agreed), extensions: [] });
  }

  override get crypto(): PlainInbound {
    return this.plainInbound;
  }

  override get outbound(): PlainOutbound {
    return this.plainOutbound;
  }
}

const NOBODY = Buffer.alloc(32);
const TARGET = { rsaId: NOBODY.subarray(0, 20), ed25519Id: NOBODY, onionKey: NOBODY, endpoints: [] };

/** Never used. */
const KEYS = splitKeyMaterial(Buffer.alloc(92), tor1);
