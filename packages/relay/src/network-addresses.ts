import type { IpAddress } from "@allium/cell";
import type { Authority, DirectorySnapshot } from "@allium/directory";

/** Consensus parameter `allow-network-reentry`: whether exits may connect to relays. */
const ALLOW_REENTRY = { default: 0, min: 0, max: 1 };

/**
 * Which addresses belong to the network itself: traffic must not leave it only to enter it again (param-spec,
 * `allow-network-reentry`). The set is made anew for each consensus, when it is first asked for.
 */
export const networkAddresses = (
  authorities: ReadonlyArray<Authority>,
  view: () => DirectorySnapshot,
): ((address: IpAddress, port: number) => boolean) => {
  let of: DirectorySnapshot | undefined;
  let known = new Set<string>();
  const refresh = (snapshot: DirectorySnapshot): void => {
    of = snapshot;
    known = new Set();
    for (const { download, upload, orPort } of authorities) {
      known.add(`${download.host} ${download.port}`).add(`${upload.host} ${upload.port}`);
      if (orPort !== undefined) known.add(`${download.host} ${orPort}`);
    }
    for (const router of snapshot.consensus?.routers ?? []) {
      known.add(`${router.address} ${router.orPort}`);
      for (const other of router.orAddresses) known.add(`${other.address} ${other.port}`);
    }
  };
  return (address, port) => {
    const snapshot = view();
    if (snapshot.params.get("allow-network-reentry", ALLOW_REENTRY) === 1) return false;
    if (snapshot !== of) refresh(snapshot);
    return known.has(`${address.address} ${port}`);
  };
};
