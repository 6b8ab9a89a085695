import type { Channel, ChannelError, Endpoint } from "@allium/channel";
import type { MetricSample } from "@allium/kernel";

const directions = ["initiated", "received"] as const;
const families = ["ipv4", "ipv6"] as const;

type Direction = (typeof directions)[number];
type Family = (typeof families)[number];

/** A count for each direction and address family. */
type Counts = Record<Direction, Record<Family, number>>;

const none = (): Counts => ({ initiated: { ipv4: 0, ipv6: 0 }, received: { ipv4: 0, ipv6: 0 } });

const familyOf = ({ host }: Endpoint): Family => (host.includes(":") ? "ipv6" : "ipv4");
const directionOf = ({ initiated }: Channel): Direction => (initiated ? "initiated" : "received");

/** One sample for each direction and family, with the labels of `tor`. */
const samples = (type: string, state: string, counts: Partial<Counts>): ReadonlyArray<MetricSample> =>
  directions.flatMap((direction) =>
    families.flatMap((family) => {
      const value = counts[direction]?.[family];
      return value === undefined ? [] : [{ labels: { type, direction, state, family }, value }];
    }),
  );

/** Counts channels as they come. Told by the channel manager's observer. */
export class ConnectionCounts {
  private readonly created = none();
  private readonly rejected = none();

  /** A channel is open. */
  onOpen(channel: Channel): void {
    this.created[directionOf(channel)][familyOf(channel.remote)]++;
  }

  /** A connection came to nothing. */
  onRefused(remote: Endpoint, error: ChannelError): void {
    // Of all the ways in which a connection can come to nothing, this alone is our decision.
    if (error._tag === "ChannelLimit") this.rejected.received[familyOf(remote)]++;
  }

  /** Samples of `tor_relay_connections_total`. */
  total(exit: Readonly<Record<4 | 6, number>>): ReadonlyArray<MetricSample> {
    return [
      ...samples("OR", "created", this.created),
      ...samples("OR", "rejected", { received: this.rejected.received }),
      ...samples("Exit", "created", { initiated: { ipv4: exit[4], ipv6: exit[6] } }),
    ];
  }

  /** Samples of `tor_relay_connections`. */
  opened(channels: ReadonlyArray<Channel>): ReadonlyArray<MetricSample> {
    const open = none();
    for (const channel of channels) open[directionOf(channel)][familyOf(channel.remote)]++;
    return samples("OR", "opened", open);
  }
}
