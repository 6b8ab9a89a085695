import type { Endpoint } from "@allium/channel";
import type { HopTarget } from "@allium/circuit";
import { type AddressAndPort, fingerprintBytes, type Microdescriptor, type RouterStatus } from "@allium/netdoc";
import type { Path, Relay } from "../paths/index.ts";

/** Where a relay listens, as channels want it. */
export const endpointsOf = (addresses: ReadonlyArray<AddressAndPort>): ReadonlyArray<Endpoint> =>
  addresses.map(({ address, port }) => ({ host: address, port }));

/** A hop, and the microdescriptor that it was made from. */
interface MadeHop {
  readonly microdescriptor: Microdescriptor;
  readonly target: HopTarget;
}

/** Hops that are not connected to, since circuits lead through the same relays again and again: last ones, and others. */
const lastHops = new WeakMap<RouterStatus, MadeHop>();
const otherHops = new WeakMap<RouterStatus, MadeHop>();

/** A relay as a hop behind the first. */
const hopBehind = (relay: Relay, isLast: boolean): HopTarget => {
  const { status, microdescriptor } = relay;
  const hops = isLast ? lastHops : otherHops;
  const known = hops.get(status);
  if (known?.microdescriptor === microdescriptor) return known.target;
  const target = hopTarget(relay, isLast);
  hops.set(status, { microdescriptor, target });
  return target;
};

/**
 * A relay as a hop. The last one is asked for congestion control if it offers it: the others have no streams (proposal 324, as `tor`).
 *
 * @param addresses where it is to be connected to
 */
export const hopTarget = (
  { status, microdescriptor }: Relay,
  isLast: boolean,
  addresses: ReadonlyArray<AddressAndPort> = [{ address: status.address, port: status.orPort }, ...status.orAddresses],
): HopTarget => ({
  rsaId: fingerprintBytes(status.fingerprint),
  ed25519Id: status.flags.has("NoEdConsensus") ? undefined : microdescriptor.ed25519Identity,
  endpoints: endpointsOf(addresses),
  onionKey: microdescriptor.ntorOnionKey,
  congestionControl: isLast && status.protocols.supports("FlowCtrl", 2),
});

/** The hops of a path. @param guardAddresses where the guard may be reached, in the order in which to try */
export const hopTargets = (path: Path, guardAddresses: ReadonlyArray<AddressAndPort>): ReadonlyArray<HopTarget> =>
  path.map((relay, index) => {
    const isLast = index === path.length - 1;
    return index === 0 ? hopTarget(relay, isLast, guardAddresses) : hopBehind(relay, isLast);
  });
