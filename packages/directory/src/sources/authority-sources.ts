import { type Endpoint, Entropy, formatEndpoint, Transport } from "@allium/channel";
import { Effect, Layer } from "effect";
import type { Authority } from "../authorities.ts";
import { NoDirectorySource } from "../errors.ts";
import { type DirectorySource, DirectorySources } from "./source.ts";

/** A directory that answers plain HTTP at an endpoint. Nobody judges it. */
export const plainSource = (transport: Transport["Service"], name: string, endpoint: Endpoint): DirectorySource => ({
  name,
  address: formatEndpoint(endpoint),
  connect: transport.connect(endpoint, { tls: false }),
  report: () => {},
});

/**
 * The authorities as directories, asked over HTTP at their DirPorts, each as likely as any other: what a relay does (dir-spec 4.1).
 * What is asked for can be seen on the way, so it is nothing for a client.
 */
export const layerAuthoritySources = (
  authorities: ReadonlyArray<Authority>,
): Layer.Layer<DirectorySources, never, Transport | Entropy> =>
  Layer.effect(
    DirectorySources,
    Effect.gen(function* () {
      const transport = yield* Transport;
      const { below } = yield* Entropy;
      const sources = authorities.map(({ name, download }) => plainSource(transport, name, download));
      return DirectorySources.of({
        draw: ({ except }) =>
          Effect.suspend(() => {
            const asked = new Set(except.map(({ address }) => address));
            const others = sources.filter(({ address }) => !asked.has(address));
            if (others.length === 0) return Effect.fail(new NoDirectorySource({ detail: "every authority was asked" }));
            return Effect.succeed(others[below(others.length)] as DirectorySource);
          }),
      });
    }),
  );
