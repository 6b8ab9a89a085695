import { type Begin, BeginFlag, type Destination } from "@allium/cell";
import type { ExitNeed } from "../paths/index.ts";
import type { FamilyPreference } from "../proxy/index.ts";

const FLAGS: Readonly<Record<FamilyPreference, number>> = {
  any: BeginFlag.IPV6_OKAY,
  "ipv4-preferred": BeginFlag.IPV6_OKAY,
  "ipv6-preferred": BeginFlag.IPV6_OKAY | BeginFlag.IPV6_PREFERRED,
  "ipv4-only": 0,
  "ipv6-only": BeginFlag.IPV6_OKAY | BeginFlag.IPV4_NOT_OKAY,
};

/** Over which family the exit must permit connections to a name. Nearly all names have IPv4 addresses. */
const FAMILIES: Readonly<Record<FamilyPreference, ExitNeed["family"]>> = {
  any: 4,
  "ipv4-preferred": 4,
  "ipv6-preferred": "either",
  "ipv4-only": 4,
  "ipv6-only": 6,
};

/** The message that opens a stream to a destination (tor-spec 6.2). */
export const beginOf = (destination: Destination, port: number, family: FamilyPreference): Begin => ({
  _tag: "BEGIN",
  destination,
  port,
  flags: FLAGS[destination.family === 6 ? "ipv6-preferred" : family],
});

/** What the exit must permit for it. */
export const needOf = (destination: Destination, port: number, family: FamilyPreference): ExitNeed => ({
  family: destination.family === "name" ? FAMILIES[family] : destination.family,
  port,
});
