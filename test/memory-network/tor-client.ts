import { startTorClient, type TorClientConfig, type TorClientService } from "@allium/client";
import { layerDocumentWorkerInline } from "@allium/directory";
import { Effect, Layer, type Scope } from "effect";
import { MemoryFiles } from "../../packages/directory/test/support/memory-files.ts";
import type { MemoryTorNetwork } from "./memory-tor-network.ts";

/** How a client of the network is varied. */
export interface TorClientOptions extends Partial<TorClientConfig> {
  /** Where it is, and what names its chance. @default the default client's host */
  readonly address?: string;
  /** Its disk: the same for who starts again. */
  readonly files?: MemoryFiles;
}

/** Allium's client, started at a host of the network, which it knows by its authorities alone; until the scope closes. */
export const startClient = (
  network: MemoryTorNetwork,
  { address, files = new MemoryFiles(), ...config }: TorClientOptions = {},
): Effect.Effect<TorClientService, never, Scope.Scope> =>
  startTorClient({ dataDir: "/client", authorities: network.authorities, ...config }).pipe(
    Effect.provide(
      Layer.mergeAll(
        network.transport(address),
        network.entropy(`tor client ${address}`),
        files.layer,
        layerDocumentWorkerInline,
      ),
    ),
    Effect.orDie,
  );
