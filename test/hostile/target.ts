import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A relay that is attacked, or that a circuit is extended to. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly rsaId: Buffer;
  readonly ed25519Id: Buffer;
  /** The public ntor key. */
  readonly onionKey: Buffer;
}

/** A relay of this machine, of any implementation. */
export interface LocalRelay {
  readonly nickname: string;
  readonly orPort: number;
  /** The RSA identity in hex. */
  readonly fingerprint: string;
  readonly dataDirectory: string;
}

/** `tor`'s tagged files begin with 32 bytes that say what they are. */
const TAG_BYTES = 32;

/** Reads from its data directory what a client would have from the consensus and the descriptor. Allium keeps keys as `tor` does. */
export const readTarget = ({ nickname, orPort, fingerprint, dataDirectory }: LocalRelay): Target => {
  const key = (file: string): Buffer => readFileSync(join(dataDirectory, "keys", file)).subarray(TAG_BYTES);
  return {
    name: nickname,
    port: orPort,
    rsaId: Buffer.from(fingerprint, "hex"),
    ed25519Id: key("ed25519_master_id_public_key"),
    // The secret half comes first.
    onionKey: key("secret_onion_key_ntor").subarray(32),
  };
};
