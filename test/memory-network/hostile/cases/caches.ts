import { deflateSync } from "node:zlib";
import { AuthorityKeys } from "../../../../packages/directory/test/support/authority-keys.ts";
import { answer } from "../../../../packages/directory/test/support/pretended-directory.ts";
import { type ConsensusDraft, writeConsensus } from "../../consensus-draft.ts";
import type { Answering } from "../../directories.ts";
import * as Lies from "../../lies.ts";
import type { HostileCache } from "../cache-case.ts";

const CONSENSUS = "/tor/status-vote/current/consensus-microdesc";
const CERTIFICATES = "/tor/keys/";
const MICRODESCRIPTORS = "/tor/micro/";

const HOUR_MILLIS = 3_600_000;

const ANOTHER = "ready";

/** A consensus that is written otherwise, signed by the authorities or by whom the draft names then. */
const instead =
  (change: (draft: ConsensusDraft) => void): HostileCache["lie"] =>
  (network) => {
    const draft = network.draft();
    change(draft);
    return Lies.saysInstead(writeConsensus(draft));
  };

const later = (millis: number) => (draft: ConsensusDraft) => {
  draft.validAfter += millis;
  draft.freshUntil += millis;
  draft.validUntil += millis;
};

const packedAs = (encoding: string, body: Buffer): Answering => {
  const packed = answer(body, { headers: `Content-Encoding: ${encoding}\r\n` });
  return () => packed;
};

const strangers = () => ["one", "two", "three"].map((name) => new AuthorityKeys(name));

const consensus = (
  what: string,
  rule: string,
  lie: HostileCache["lie"],
  who: HostileCache["who"] = "one",
  end = ANOTHER,
): HostileCache => ({ what, who, target: CONSENSUS, rule, end, lie });

const HTTP = "dir-spec, HTTP status codes";
const SIGNATURES = "dir-spec, Computing a consensus from a set of votes";
const TIMES = "dir-spec, Consensus documents";

/** What directories may not do to a client that bootstraps. */
export const hostileCaches: ReadonlyArray<{ readonly title: string; readonly cases: ReadonlyArray<HostileCache> }> = [
  {
    title: "The consensus",
    cases: [
      consensus("does not have it", HTTP, () => Lies.hasNothing),
      consensus("has no time", HTTP, () => Lies.isBusy),
      consensus("speaks no HTTP", HTTP, () => Lies.babbles),
      consensus("sends half of it, and ends", HTTP, () => Lies.truncates),
      consensus("sends half of it, and breaks off", "_open_", () => Lies.breaksOff),
      consensus("sends half of it, and stands still", "_open_", () => Lies.stallsHalfway, "one", ANOTHER),
      consensus("never answers", "_open_", () => Lies.saysNothing),
      consensus("changes a bit of it", SIGNATURES, () => Lies.flipsABit),
      consensus("sends what is no consensus", TIMES, () => Lies.saysInstead("<html>\n")),
      consensus(
        "sends one that strangers have signed",
        SIGNATURES,
        instead((draft) => {
          draft.signers = strangers();
        }),
      ),
      consensus(
        "sends one that too few have signed",
        SIGNATURES,
        instead((draft) => {
          draft.signers = draft.signers.slice(0, 1);
        }),
      ),
      consensus(
        "sends one that one authority has signed three times",
        SIGNATURES,
        instead((draft) => {
          const [first] = draft.signers;
          if (first !== undefined) draft.signers = [first, first, first];
        }),
      ),
      consensus(
        "sends one that nobody has signed",
        SIGNATURES,
        instead((draft) => {
          draft.signers = [];
        }),
      ),
      consensus("sends one of last week", TIMES, instead(later(-7 * 24 * HOUR_MILLIS))),
      consensus("sends one of next week", TIMES, instead(later(7 * 24 * HOUR_MILLIS))),
      consensus("sends a bomb: 64 MiB of zeros, packed", HTTP, () => Lies.bomb(64 * 1024 * 1024)),
      consensus("packs it in a way that nobody knows", HTTP, () => packedAs("br", Buffer.from("onion"))),
      consensus("packs what cannot be unpacked", HTTP, () => packedAs("deflate", Buffer.alloc(1_000, 0x78))),
      consensus("sends another document, well packed", TIMES, () =>
        packedAs("deflate", deflateSync(Buffer.from("onion-key\n"))),
      ),
    ],
  },
  {
    title: "Certificates and microdescriptors",
    cases: [
      {
        what: "does not have the certificates",
        who: "one",
        target: CERTIFICATES,
        rule: HTTP,
        end: ANOTHER,
        lie: () => Lies.hasNothing,
      },
      {
        what: "sends certificates of strangers",
        who: "one",
        target: CERTIFICATES,
        rule: "dir-spec, Creating key certificates",
        end: ANOTHER,
        lie: (network) => {
          const { lifetime } = network.consensus().consensus;
          const texts = strangers().map((keys) => keys.certificate(lifetime.validAfter, lifetime.validAfter + 1e10));
          return Lies.saysInstead(texts.join(""));
        },
      },
      {
        what: "changes a bit of the certificates",
        who: "one",
        target: CERTIFICATES,
        rule: "dir-spec, Creating key certificates",
        end: ANOTHER,
        lie: () => Lies.flipsABit,
      },
      {
        what: "does not have the microdescriptors",
        who: "one",
        target: MICRODESCRIPTORS,
        rule: HTTP,
        end: ANOTHER,
        lie: () => Lies.hasNothing,
      },
      {
        what: "sends half of the microdescriptors, and ends",
        who: "one",
        target: MICRODESCRIPTORS,
        rule: HTTP,
        end: ANOTHER,
        lie: () => Lies.truncates,
      },
      {
        what: "changes a bit of a microdescriptor",
        who: "one",
        target: MICRODESCRIPTORS,
        rule: "dir-spec, Microdescriptors",
        end: ANOTHER,
        lie: () => Lies.flipsABit,
      },
      {
        what: "sends other microdescriptors than those that were asked for",
        who: "one",
        target: MICRODESCRIPTORS,
        rule: "dir-spec, Microdescriptors",
        end: ANOTHER,
        lie: (network) =>
          Lies.saysInstead(
            network
              .draft()
              .relays.map(({ microdescriptor }) => microdescriptor.replace("id ed25519", "id unknown"))
              .join(""),
          ),
      },
      {
        what: "stands still in the middle of the microdescriptors",
        who: "one",
        target: MICRODESCRIPTORS,
        rule: "_open_",
        end: ANOTHER,
        lie: () => Lies.stallsHalfway,
      },
    ],
  },
  {
    title: "All of them alike",
    cases: [
      consensus("have no consensus", HTTP, () => Lies.hasNothing, "all", "not ready: no-directory"),
      consensus(
        "send a consensus that strangers have signed",
        SIGNATURES,
        instead((draft) => {
          draft.signers = strangers();
        }),
        "all",
        "not ready: no-directory",
      ),
      consensus(
        "send the consensus of last week",
        TIMES,
        instead(later(-7 * 24 * HOUR_MILLIS)),
        "all",
        "not ready: clock",
      ),
      consensus(
        "send the consensus of next week",
        TIMES,
        instead(later(7 * 24 * HOUR_MILLIS)),
        "all",
        "not ready: clock",
      ),
      consensus(
        "require a protocol of clients that nobody speaks",
        "tor-spec, Subprotocol versioning",
        instead((draft) => {
          draft.requiredClientProtocols = "Link=4 Onion=9";
        }),
        "all",
        "not ready: protocols",
      ),
      consensus(
        "send a consensus without exits",
        "path-spec, Path selection and constraints",
        instead((draft) => {
          draft.relays = draft.relays.filter(({ flags }) => !flags.has("Exit"));
        }),
        "all",
        "not ready: no-path",
      ),
      consensus(
        "send a consensus without guards",
        "guard-spec, The algorithm",
        instead((draft) => {
          for (const { flags } of draft.relays) flags.delete("Guard");
        }),
        "all",
        "not ready: no-guard",
      ),
      {
        what: "never answer for microdescriptors",
        who: "all",
        target: MICRODESCRIPTORS,
        rule: "_open_",
        // Whom a client has for guards it asks for documents too: nobody is left.
        end: "not ready: no-guard",
        lie: () => Lies.saysNothing,
      },
    ],
  },
];
