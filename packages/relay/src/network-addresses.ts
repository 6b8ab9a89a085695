import type { IpAddress } from "@allium/cell";
import type { PeerIdentity } from "@allium/channel";
import type { Authority, DirectorySnapshot } from "@allium/directory";
import { type Consensus, encodeHex, type Fingerprint } from "@allium/netdoc";
import { derived } from "./derived.ts";

/** Consensus parameter `allow-network-reentry`: whether exits may connect to relays. */
const ALLOW_REENTRY = { default: 0, min: 0, max: 1 };

/** Not the snapshot itself: that is another one with each batch of microdescriptors too. */
const consensusOf = (view: () => DirectorySnapshot) => (): Consensus | undefined => view().consensus;

/**
 * Which addresses belong to the network itself: traffic must not leave it only to enter it again (param-spec,
 * `allow-network-reentry`).
 */
export const networkAddresses = (
  authorities: ReadonlyArray<Authority>,
  view: () => DirectorySnapshot,
): ((address: IpAddress, port: number) => boolean) => {
  const known = derived(consensusOf(view), (consensus) => {
    const addresses = new Set<string>();
    for (const { download, upload, orPort } of authorities) {
      addresses.add(`${download.host} ${download.port}`).add(`${upload.host} ${upload.port}`);
      if (orPort !== undefined) addresses.add(`${download.host} ${orPort}`);
    }
    for (const router of consensus?.routers ?? []) {
      addresses.add(`${router.address} ${router.orPort}`);
      for (const other of router.orAddresses) addresses.add(`${other.address} ${other.port}`);
    }
    return addresses;
  });
  return (address, port) =>
    view().params.get("allow-network-reentry", ALLOW_REENTRY) !== 1 && known().has(`${address.address} ${port}`);
};

/** Which addresses are those of relays that the consensus lists; none as long as there is no consensus. */
export const relayAddresses = (view: () => DirectorySnapshot): ((address: string) => boolean) => {
  const known = derived(consensusOf(view), (consensus) => {
    const addresses = new Set<string>();
    for (const { address, orAddresses } of consensus?.routers ?? []) {
      addresses.add(address);
      for (const other of orAddresses) addresses.add(other.address);
    }
    return addresses;
  });
  return (address) => known().has(address);
};

/**
 * Which relays the consensus lists, or one of the last days has listed: their microdescriptors are still here. Clients have another
 * consensus than this relay for an hour or more, and circuits that are older than both. None as long as there is no consensus.
 */
export const networkRelays = (view: () => DirectorySnapshot): ((relay: PeerIdentity) => boolean) => {
  const listed = derived(
    consensusOf(view),
    (consensus) => new Set<Fingerprint>((consensus?.routers ?? []).map(({ fingerprint }) => fingerprint)),
  );
  const described = derived(
    () => view().microdescriptors,
    (microdescriptors) =>
      new Set([...microdescriptors.values()].map(({ ed25519Identity }) => ed25519Identity?.toString("base64"))),
  );
  return ({ rsaId, ed25519Id }) => listed().has(encodeHex(rsaId)) || described().has(ed25519Id.toString("base64"));
};
