import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import {
  ClientCrypto,
  keyMaterialLength,
  relayCrypto,
  relayPayloadLength,
  splitKeyMaterial,
  tor1,
} from "../src/index.ts";

const maxTrain = 5;

/** Targets: any order of operations on the two ends of a one-hop circuit, with foreign cells among them. */
export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "crypto/relay-crypto-operations",
    run: (random) => {
      const keys = splitKeyMaterial(random.bytes(keyMaterialLength(tor1)));
      const relay = relayCrypto(keys);
      const client = new ClientCrypto();
      client.addHop(keys);
      for (let step = 0; step < 6; step++) {
        const out = random.oneIn(2);
        const [sender, receiver] = out ? [client.outbound, relay.inbound] : [relay.outbound, client.inbound];
        const count = 1 + random.below(maxTrain);
        const slab = random.bytes((count + random.below(2)) * relayPayloadLength);
        // At a relay that is not the last hop foreign cells pass; at a client they would end the circuit.
        const ours = Array.from({ length: count }, () => !out || random.oneIn(2));
        ours.forEach((own, index) => {
          if (own) sender.originate(slab, index, 0);
          else slab.fill(random.oneIn(2) ? 0 : 1, index * relayPayloadLength + 1, index * relayPayloadLength + 3);
        });
        const plain = receiver.decrypt(sender.encrypt(slab, count, 0), count);
        ours.forEach((own, index) => {
          if (receiver.origin(plain, index) !== (own ? 0 : -1)) throw new Error(`step ${step}, cell ${index}`);
        });
        if (ours.includes(true) && !sender.tag().equals(receiver.tag())) throw new Error(`tags differ in step ${step}`);
      }
    },
  },
];
