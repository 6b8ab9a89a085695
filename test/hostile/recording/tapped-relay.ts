import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { layerEntropy, NodeTransport } from "@allium/channel";
import { X25519KeyPair } from "@allium/crypto";
import { type RunningRelay, startRelay } from "@allium/relay";
import { NodeServices } from "@effect/platform-node";
import { Effect, Exit, Layer, Logger, Scope } from "effect";
import { OPEN_EXIT_POLICY, type TorNetwork } from "../../network/index.ts";
import { exitConfig } from "../../support/exit-config.ts";
import { FORBIDDEN } from "../stage.ts";
import { readTarget, type Target } from "../target.ts";
import { Tap } from "./tap.ts";

/** Allium's relay in this process, with a tap: what is said to it is recorded. */
export interface TappedRelay extends AsyncDisposable {
  readonly tap: Tap;
  readonly relay: RunningRelay;
  readonly target: Target;
  /** The RSA identity in upper-case hex. */
  readonly fingerprint: string;
}

/** Where it is, and whom it trusts. */
export interface TappedRelayOptions {
  /** A directory that is there, and empty. */
  readonly dataDirectory: string;
  readonly port: number;
  /** Lines `DirAuthority ...`. */
  readonly authorities: string;
  /** The name servers that it asks. */
  readonly resolvConf: string;
}

/** Tagged files begin with 32 bytes that say what they are; then comes the secret half. */
const SECRET_AT = 32;

/** Starts an exit. */
export const startTapped = async (options: TappedRelayOptions): Promise<TappedRelay> => {
  const nickname = "allium";
  const { dataDirectory, port } = options;
  const tap = new Tap();
  const scope = Scope.makeUnsafe();
  const config = exitConfig({ ...options, nickname, policy: [`reject ${FORBIDDEN}:*`, ...OPEN_EXIT_POLICY] });
  const relay = await startRelay(config).pipe(
    Scope.provide(scope),
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        tap.layerTransport(NodeTransport.layer),
        tap.layerEntropy(layerEntropy),
        Logger.layer([]),
      ),
    ),
    Effect.runPromise,
  );
  const fingerprint = relay.fingerprint.split(" ").at(-1) ?? "";
  const target = readTarget({ nickname, orPort: port, dataDirectory, fingerprint });
  const onionKey = readFileSync(join(dataDirectory, "keys", "secret_onion_key_ntor"));
  tap.keys = {
    rsaIdentity: target.rsaId,
    ed25519Identity: target.ed25519Id,
    onionKeys: [X25519KeyPair.fromSecret(onionKey.subarray(SECRET_AT, SECRET_AT + 32))],
  };
  return {
    tap,
    relay,
    target,
    fingerprint,
    [Symbol.asyncDispose]: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  };
};

/** Starts one that ends with a network. */
export const startTappedIn = async (network: TorNetwork): Promise<TappedRelay> => {
  const dataDirectory = join(network.directory, "allium");
  mkdirSync(dataDirectory, { mode: 0o700 });
  const tapped = await startTapped({
    dataDirectory,
    port: await network.ports.take(),
    authorities: network.authorityLines,
    resolvConf: join(network.directory, "resolv.conf"),
  });
  return network.use(tapped);
};
