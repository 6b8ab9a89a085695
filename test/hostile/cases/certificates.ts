import { CertType } from "@allium/crypto";
import type { HostileCase, HostileSubject } from "../case.ts";
import * as certs from "../certs.ts";
import { authenticateCell, certsCell, hello, netinfoCell } from "../handshake.ts";
import { onHandshake } from "../stage.ts";

const CLOSES = "closes the channel";

/** A relay's handshake with other certificates than it should have. */
const shown = (change: certs.CertsChange) =>
  onHandshake(async ({ peer, arena: { identity } }) => {
    const list = await change(identity.link.initiatorCerts, identity);
    await hello(peer);
    peer.send(certsCell(list));
    peer.send(authenticateCell(peer, identity), netinfoCell(1));
  });

const NAMES = [
  [CertType.RsaIdentity, "the RSA identity's certificate (2)"],
  [CertType.IdentityVerifiesSigning, "the signing key's certificate (4)"],
  [CertType.SigningVerifiesAuthentication, "the authentication key's certificate (6)"],
  [CertType.RsaIdentityVerifiesIdentity, "the cross-certificate (7)"],
] as const;

const each = (
  what: (name: string) => string,
  change: (type: number) => certs.CertsChange,
): ReadonlyArray<HostileCase> =>
  NAMES.map(([type, name]) => ({ what: what(name), rule: "tor-spec 4.2", answer: CLOSES, play: shown(change(type)) }));

const one = (what: string, change: certs.CertsChange, answer = CLOSES): HostileCase => ({
  what,
  rule: "tor-spec 4.2",
  answer,
  play: shown(change),
});

/** What a relay shows to prove who it is. */
export const certificates: HostileSubject = {
  title: "Certificates of a relay that connects",
  about:
    "CERTS with one thing wrong, then an AUTHENTICATE that is as good as it can be, and NETINFO. The channel is closed, and no circuit of anybody's is ever put on it.",
  cases: [
    ...each((name) => `${name} is missing`, certs.without),
    ...each((name) => `${name} is badly signed`, certs.badlySigned),
    ...each((name) => `${name} is noise`, certs.noise),
    ...each((name) => `${name} is there twice`, certs.twice),
    ...each((name) => `${name} is cut short`, certs.withByteLess),
    ...each((name) => `${name} has a byte too many`, certs.withByteMore),
    one("the RSA identity's certificate has ended", certs.expiredRsa),
    one("the RSA identity's certificate begins in half a year", certs.futureRsa),
    one("the RSA identity has 2048 bits", certs.longRsa),
    one("the signing key's certificate has ended", certs.expiredSigning),
    one(
      "the signing key's certificate says that it is of another type",
      certs.signingCertificate({ certType: CertType.SigningVerifiesLink }),
    ),
    one("the signing key's certificate says that its key is no key", certs.signingCertificate({ keyType: 3 })),
    one(
      "the signing key's certificate does not name the identity",
      certs.signingCertificate({ includeSigningKey: false }),
    ),
    one("the signing key's certificate is for another key", certs.otherSigningKey),
    one("the authentication key's certificate has ended", certs.expiredAuthentication),
    one("the authentication key's certificate says that it is of another type", certs.mistypedAuthentication),
    one("the authentication key's certificate is signed by the identity", certs.authenticationByIdentity),
    one("the cross-certificate has ended", certs.crossCertificate({ expired: true })),
    one("the cross-certificate is for another Ed25519 identity", certs.crossCertificate({ otherIdentity: true })),
    one("one more certificate, of a type that nobody knows", certs.withUnknown, "ignored"),
  ],
};
