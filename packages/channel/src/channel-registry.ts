import type { Channel } from "./channel.ts";
import type { ExpectedPeer } from "./handshake.ts";
import type { PeerIdentity } from "./link-identity.ts";

/** Whether a peer is the wanted one. Nobody is, where nobody in particular is wanted. */
export const isWanted = (peer: PeerIdentity, wanted: ExpectedPeer): boolean => {
  const { ed25519Id, rsaId } = wanted;
  if (ed25519Id === undefined && rsaId === undefined) return false;
  return (ed25519Id?.equals(peer.ed25519Id) ?? true) && (rsaId?.equals(peer.rsaId) ?? true);
};

/** The open channels of a process, by who is at their other end. */
export class ChannelRegistry {
  private readonly open = new Set<Channel>();
  /** Channels to relays, by each of the relay's identities. */
  private readonly byPeer = new Map<string, Set<Channel>>();

  all(): ReadonlyArray<Channel> {
    return [...this.open];
  }

  add(channel: Channel): void {
    this.open.add(channel);
    for (const key of keysOf(channel)) {
      const known = this.byPeer.get(key);
      if (known === undefined) this.byPeer.set(key, new Set([channel]));
      else known.add(channel);
    }
  }

  remove(channel: Channel): void {
    this.open.delete(channel);
    for (const key of keysOf(channel)) {
      const known = this.byPeer.get(key);
      known?.delete(channel);
      if (known?.size === 0) this.byPeer.delete(key);
    }
  }

  /**
   * The channel that new circuits to this relay should use. Of several, which there are when both ends connected at once,
   * it is the one with most circuits, and among equals the one that the relay with the smaller identity opened: both ends
   * see it in the same way, so that soon the others lie idle, and expire.
   *
   * @param own our Ed25519 identity, if we have one
   */
  find(wanted: ExpectedPeer, own: Buffer | undefined): Channel | undefined {
    const key = wanted.ed25519Id?.toString("base64") ?? wanted.rsaId?.toString("base64");
    const candidates = (key === undefined ? undefined : this.byPeer.get(key)) ?? NONE;
    let best: Channel | undefined;
    for (const channel of candidates) {
      if (channel.closed || channel.peer === undefined || !isWanted(channel.peer, wanted)) continue;
      if (best === undefined || isBetter(channel, best, own)) best = channel;
    }
    return best;
  }
}

const NONE: ReadonlySet<Channel> = new Set();

const keysOf = (channel: Channel): ReadonlyArray<string> =>
  channel.peer === undefined ? [] : [channel.peer.ed25519Id.toString("base64"), channel.peer.rsaId.toString("base64")];

const isBetter = (one: Channel, other: Channel, own: Buffer | undefined): boolean => {
  if (one.circuitCount !== other.circuitCount) return one.circuitCount > other.circuitCount;
  const [openedOne, openedOther] = [openerOf(one, own), openerOf(other, own)];
  return openedOne !== undefined && openedOther !== undefined && openedOne.compare(openedOther) < 0;
};

const openerOf = (channel: Channel, own: Buffer | undefined): Buffer | undefined =>
  channel.initiated ? own : channel.peer?.ed25519Id;
