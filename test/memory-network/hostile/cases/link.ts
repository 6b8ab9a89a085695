import { type Connection, Transport } from "@allium/channel";
import { Effect } from "effect";
import { RelayIdentity } from "../../identity.ts";
import { rsaKey } from "../../rsa-key.ts";
import type { HostileCase } from "../case.ts";

const DAY_MILLIS = 86_400_000;

/** A machine at the relay's address that presents its certificate in TLS, and then does something else. */
const listens =
  (serve: (connection: Connection) => void): NonNullable<HostileCase["instead"]> =>
  (network, relay) =>
    Transport.use((transport) =>
      transport.listen(
        { host: relay.address, port: relay.plan.orPort },
        { tls: relay.identity.current(START).tls, onConnection: serve },
      ),
    ).pipe(Effect.provide(network.transport(relay.address)), Effect.orDie, Effect.asVoid);

const START = Date.UTC(2027, 0, 1);

/** What a relay may not do on the link, before there is a channel. */
export const linkCases: ReadonlyArray<HostileCase> = [
  {
    what: "is another relay than the consensus says, with another RSA identity",
    place: "guard",
    rule: "tor-spec, Negotiating channels",
    end: "no channel: wrongIdentity",
    options: { identity: (_, now) => new RelayIdentity("somebody else", rsaKey(99), now).current(now) },
  },
  {
    what: "has the RSA identity of the relay that it pretends to be, and another Ed25519 identity",
    place: "guard",
    rule: "tor-spec, Negotiating channels",
    end: "no channel: wrongIdentity",
    options: { identity: (relay, now) => new RelayIdentity("somebody else", relay.identity.rsa, now).current(now) },
  },
  {
    what: "presents certificates that have expired",
    place: "guard",
    rule: "cert-spec, Certificate types",
    end: "no channel: badCertificate",
    options: {
      identity: (relay, now) => new RelayIdentity("long ago", relay.identity.rsa, now).current(now - 60 * DAY_MILLIS),
    },
  },
  {
    what: "certifies another certificate than it presents in TLS",
    place: "guard",
    rule: "tor-spec, CERTS cells",
    end: "no channel: badCertificate",
    options: {
      identity: (relay, now) => ({
        ...relay.identity.current(now),
        tls: relay.identity.current(now + DAY_MILLIS).tls,
      }),
    },
  },
  {
    what: "says nothing once TLS is there",
    place: "guard",
    rule: "_open_",
    end: "no channel: no handshake in time",
    instead: listens(() => {}),
  },
  {
    what: "hangs up once TLS is there",
    place: "guard",
    rule: "_open_",
    end: "no channel: closed",
    instead: listens((connection) => connection.destroy()),
  },
  {
    what: "speaks HTTP",
    place: "guard",
    rule: "tor-spec, VERSIONS cells",
    end: "no channel: unexpectedCell",
    instead: listens((connection) =>
      connection.write(Buffer.from(`HTTP/1.1 400 Bad Request\r\n\r\n${"onion ".repeat(200)}`)),
    ),
  },
  {
    what: "speaks link protocols of which no client knows any",
    place: "guard",
    rule: "tor-spec, VERSIONS cells",
    end: "no channel: noCommonVersion",
    instead: listens((connection) => connection.write(Buffer.from("0000070004" + "00010002", "hex"))),
  },
  {
    what: "speaks without end before it says who it is",
    place: "guard",
    rule: "_open_",
    end: "no channel: malformedCell",
    instead: listens((connection) => {
      connection.write(Buffer.from("00000700020004", "hex"));
      // VPADDING may come at any time, and counts all the same.
      const padding = Buffer.alloc(7 + 16_000);
      padding.writeUInt8(128, 4);
      padding.writeUInt16BE(16_000, 5);
      for (let cell = 0; cell < 20; cell++) connection.write(padding);
    }),
  },
];
