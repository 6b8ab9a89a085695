/**
 * Cost of the circuit handshakes at a relay and of checking a peer, in microseconds each, with what is paid once per
 * handshake: making the ephemeral key. Run it alone: `node bench/handshake.bench.ts`.
 */
import { randomBytes } from "node:crypto";
import {
  fastServer,
  keyMaterialLength,
  ntorClientBegin,
  ntorServer,
  ntorV3ClientBegin,
  ntorV3Server,
  relayCrypto,
  splitKeyMaterial,
  tor1,
  X25519KeyPair,
} from "../src/index.ts";

const rounds = 12;
const runsPerRound = 200;
const length = keyMaterialLength(tor1);
const keyPair = () => X25519KeyPair.fromSecret(randomBytes(32));
const keys = { rsaIdentity: randomBytes(20), ed25519Identity: randomBytes(32), onionKeys: [keyPair(), keyPair()] };
const target = { ...keys, onionKey: keys.onionKeys[0]!.publicKey };
const ntor = ntorClientBegin(target, keyPair()).request;
/** A client that asks for congestion control. */
const ntorV3 = ntorV3ClientBegin(target, keyPair(), Buffer.from([1, 1, 0])).request;
/** Congestion control, with a SENDME for each 31 cells. */
const grant = () => Buffer.from([1, 2, 1, 31]);
const fast = randomBytes(20);
const shared = splitKeyMaterial(randomBytes(length));

const cases: ReadonlyArray<readonly [string, () => unknown]> = [
  ["ephemeral key", keyPair],
  ["ntor, server, with ephemeral key", () => ntorServer(keys, ntor, keyPair(), length)],
  ["ntor-v3, server, with ephemeral key", () => ntorV3Server(keys, ntorV3, keyPair(), grant, length)],
  ["CREATE_FAST, server", () => fastServer(fast, randomBytes(20), length)],
  ["relay crypto of a new circuit", () => relayCrypto(shared)],
];

for (const [name, run] of cases) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    for (let index = 0; index < runsPerRound; index++) run();
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / runsPerRound);
  }
  console.log(`${name.padEnd(40)} ${(best / 1000).toFixed(1).padStart(8)} µs`);
}
