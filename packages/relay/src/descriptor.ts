import { RESUMPTION_PROTOCOL } from "@allium/conflux";
import { DescriptorSource, type OwnDocuments } from "@allium/directory";
import { type ExitPolicy, Protocols, type RelayBandwidth, writeExtraInfo, writeRouterDescriptor } from "@allium/netdoc";
import { Effect, Layer } from "effect";
import type { RelayConfig } from "./config.ts";
import { descriptorIdentityKeys, fingerprintOf, KeyStore, publicIdentity } from "./keys/index.ts";
import { HISTORY_PERIOD_MILLIS, type TrafficMeter, type TrafficPeriod } from "./traffic.ts";

/**
 * The subprotocols that this relay speaks (tor-spec, "Subprotocol versioning"). Relay=4 is ntor-v3, Relay=3 extending over
 * IPv6; FlowCtrl=2 is congestion control; DirCache=2 is a directory cache that knows consensus diffs. What is not here is
 * not offered: onion services (HSDir, HSIntro, HSRend), circuit padding machines.
 */
const SPOKEN_PROTOCOLS = "Cons=1-2 Desc=1-2 DirCache=2 FlowCtrl=1-2 Link=4-5 LinkAuth=3 Microdesc=1-2 Relay=2-4";

/** The same of an exit at which circuits may be linked. Whoever is none has no streams that could take several ways. */
const PROTOCOLS_WITH_CONFLUX = `Conflux=1 ${SPOKEN_PROTOCOLS}`;

/** The same of one whose sets may outlive the loss of a circuit. */
const PROTOCOLS_WITH_RESUMPTION = `${RESUMPTION_PROTOCOL}=1 ${PROTOCOLS_WITH_CONFLUX}`;

/** The subprotocols that a relay with this configuration offers. */
export const offeredProtocols = ({ exit, conflux }: Pick<RelayConfig, "exit" | "conflux">): Protocols => {
  if (!exit.enabled || conflux.enabled === false) return Protocols.parse(SPOKEN_PROTOCOLS) ?? Protocols.none;
  return Protocols.parse(conflux.resumption ? PROTOCOLS_WITH_RESUMPTION : PROTOCOLS_WITH_CONFLUX) ?? Protocols.none;
};

/** The software as the descriptor names it. */
export const PLATFORM = "Allium 0.1.0";

/** How long the ntor key's certificate in the descriptor lives, as `tor`'s: the default life of an onion key. */
const ONION_CERT_LIFETIME_MILLIS = 28 * 24 * 3_600_000;

/** What the descriptor is made of besides keys. */
export interface DescriptorFacts {
  /** The configuration in use: it may change while the relay runs. */
  readonly config: () => RelayConfig;
  readonly policy: () => ExitPolicy;
  readonly traffic: TrafficMeter;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** `Linux`, `Darwin`, … */
  readonly system: string;
}

const history = (periods: ReadonlyArray<TrafficPeriod>, direction: "read" | "written") => {
  const last = periods.at(-1);
  if (last === undefined) return undefined;
  // Rounded down to a whole kibibyte, as `tor` does: a history must not tell one transfer from another.
  const bytes = periods.map((period) => period[direction] - (period[direction] % 1024));
  return { end: Math.floor(last.end / 1000) * 1000, interval: HISTORY_PERIOD_MILLIS / 1000, bytes };
};

/** Bandwidth as a descriptor states it: what was observed is never more than what the operator allows. */
export const statedBandwidth = (config: RelayConfig, traffic: TrafficMeter): RelayBandwidth => {
  const most = 0x7fff_ffff;
  return {
    average: Math.min(config.bandwidth.rate, most),
    burst: Math.min(config.bandwidth.burst, most),
    observed: Math.min(traffic.observed, config.bandwidth.rate, most),
  };
};

/** Builds and signs the relay's router descriptor and extra-info document (dir-spec 2.1). */
export const layer = (facts: DescriptorFacts): Layer.Layer<DescriptorSource, never, KeyStore> =>
  Layer.effect(
    DescriptorSource,
    Effect.gen(function* () {
      const store = yield* KeyStore;
      return DescriptorSource.of({
        fingerprint: fingerprintOf(publicIdentity(store.current())),
        build: (now) =>
          Effect.sync((): OwnDocuments => {
            const config = facts.config();
            const policy = facts.policy();
            const keys = store.current();
            const identity = descriptorIdentityKeys(keys);
            const published = Math.floor(now / 1000) * 1000;
            const periods = facts.traffic.history;
            const read = history(periods, "read");
            const written = history(periods, "written");
            const extraInfo = writeExtraInfo(
              {
                nickname: config.nickname,
                published,
                histories: {
                  ...(written === undefined ? {} : { "write-history": written }),
                  ...(read === undefined ? {} : { "read-history": read }),
                },
                rateLimitOverload: undefined,
                outOfFilesAt: undefined,
                statistics: [],
              },
              identity,
            );
            const descriptor = writeRouterDescriptor({
              description: {
                nickname: config.nickname,
                address: config.advertised.host,
                orPort: config.advertised.port,
                dirPort: 0,
                orAddresses: [],
                bandwidth: statedBandwidth(config, facts.traffic),
                platform: `${PLATFORM} on ${facts.system}`,
                published,
                uptime: Math.floor((now - facts.startedAt) / 1000),
                hibernating: false,
                protocols: offeredProtocols(config),
                contact: config.contact,
                family: config.family,
                policy,
                ipv6Policy: policy.summary(6),
                extraInfo: { sha1: extraInfo.sha1, sha256: extraInfo.sha256 },
                cachesExtraInfo: config.directory.cache && config.directory.extraInfo,
                hiddenServiceDir: false,
                // What earns V2Dir, without which no authority gives Guard.
                tunnelledDirServer: config.directory.cache,
                overloadedAt: undefined,
              },
              identity,
              onionKeys: {
                ntor: keys.onionKey.key,
                tap: keys.tapOnionKey,
                expiresAt: now + ONION_CERT_LIFETIME_MILLIS,
              },
            });
            return { descriptor: descriptor.text, extraInfo: extraInfo.text };
          }),
      });
    }),
  );
