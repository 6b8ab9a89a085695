import type { RouterStatus } from "@allium/netdoc";

/** The /16 of an IPv4 address, as 16 bits. */
export const subnet16 = (address: string): number => {
  const [first, second] = address.split(".", 2);
  return Number(first) * 256 + Number(second);
};

/** The /32 of an IPv6 address in any of its forms, as 32 bits. */
export const subnet32 = (address: string): number => {
  const [first, second] = address.split(":", 2);
  // Nothing between colons stands for zeroes, from there on or from the beginning.
  if (first === "") return 0;
  return Number.parseInt(first ?? "", 16) * 0x1_0000 + (second === "" ? 0 : Number.parseInt(second ?? "", 16));
};

/** The subnets that some relays are in: /16 of IPv4, and /32 of IPv6 (path-spec 2.2). */
export class Subnets {
  readonly #ipv4 = new Set<number>();
  readonly #ipv6 = new Set<number>();

  constructor(relays: Iterable<RouterStatus>) {
    for (const { address, orAddresses } of relays) {
      this.#ipv4.add(subnet16(address));
      for (const other of orAddresses)
        if (other.address.includes(":")) this.#ipv6.add(subnet32(other.address));
        else this.#ipv4.add(subnet16(other.address));
    }
  }

  /** Whether a relay has an address in one of them. */
  overlap({ address, orAddresses }: RouterStatus): boolean {
    return (
      this.#ipv4.has(subnet16(address)) ||
      orAddresses.some((other) =>
        other.address.includes(":") ? this.#ipv6.has(subnet32(other.address)) : this.#ipv4.has(subnet16(other.address)),
      )
    );
  }
}
