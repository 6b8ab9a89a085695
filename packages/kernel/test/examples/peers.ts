import {
  type LinkReader,
  LocalReject,
  Mailbox,
  ProtocolReject,
  Routine,
  Routines,
  Undeliverable,
} from "@allium/kernel";
import { Effect } from "effect";

/** What the rest of the program asks of a peer's routine. */
export type PeerCommand =
  | { readonly _tag: "Status"; readonly height: number }
  | { readonly _tag: "Announce"; readonly block: string }
  | { readonly _tag: "Answer"; readonly request: number };

const makeMailbox = Mailbox.make<PeerCommand>()({
  name: "peer commands",
  capacity: 2,
  policies: {
    Status: Mailbox.coalesce(),
    Announce: Mailbox.drop,
    Answer: Mailbox.neverDrop,
  },
});

export const fullMailbox = Effect.gen(function* () {
  const mailbox = yield* makeMailbox;
  yield* mailbox.send({ _tag: "Status", height: 1 });
  yield* mailbox.send({ _tag: "Answer", request: 7 });
  yield* mailbox.send({ _tag: "Announce", block: "a" });
  return [
    yield* mailbox.send({ _tag: "Status", height: 2 }), // "coalesced"
    yield* mailbox.send({ _tag: "Announce", block: "b" }), // "dropped"
    yield* Effect.catchTag(mailbox.send({ _tag: "Answer", request: 8 }), "Undeliverable", (lost) =>
      Effect.succeed(lost instanceof Undeliverable ? lost.reason : "never"),
    ), // "full": the caller has to act
  ];
});

const MAX_PEERS = 2;

/** Keeps a table of peers, and reads their frames until they break the protocol. */
export const sync = (table: Map<string, number>, frames: LinkReader<string>) =>
  Routine.make<string, string>({
    name: "sync",
    admit: ({ peer, generation }) =>
      Effect.suspend(() => {
        if (table.size >= MAX_PEERS) return Effect.fail(new LocalReject("full"));
        table.set(peer, generation);
        return Effect.succeed(peer);
      }),
    run: () =>
      Effect.gen(function* () {
        while (true) {
          const frame = yield* frames.take;
          if (frame === "garbage") return yield* Effect.fail(new ProtocolReject("malformed frame"));
        }
      }),
    release: (peer, _end, { generation }) =>
      Effect.sync(() => {
        if (table.get(peer) === generation) table.delete(peer);
      }),
    disconnect: () => Effect.log("closing the connection"),
  });

export const makePeers = Routines.make<string>({ name: "sync" });
