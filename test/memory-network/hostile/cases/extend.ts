import { ChannelCommand, DestroyReason, RelayCommand } from "@allium/cell";
import { keyMaterialLength, ntorV3Server, tor1, X25519KeyPair } from "@allium/crypto";
import type { HostileCase } from "../case.ts";
import type { HostileCircuit } from "../hostile-relay.ts";

/** Does something when it is asked to extend the circuit. */
const whenAsked = (act: (circuit: HostileCircuit) => boolean | undefined) => ({
  onMessage: (circuit: HostileCircuit, _streamId: number, message: { readonly _tag: string }): boolean =>
    message._tag === "EXTEND2" && act(circuit) !== false,
});

/** Answers for the relay that it was to ask. */
const replies = (handshake: Buffer, command?: number) =>
  whenAsked((circuit) => {
    circuit.send(0, { _tag: "EXTENDED2", handshake }, command);
    return true;
  });

const EXTEND = "tor-spec, EXTEND and EXTENDED cells";
const NTOR_V3 = "tor-spec, The ntor-v3 handshake";

/** What a relay may not do when it is to extend a circuit. */
export const extendCases: ReadonlyArray<HostileCase> = [
  {
    what: "answers EXTEND2 with a proof of no key",
    place: "middle",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: replies(Buffer.alloc(96, 1)),
  },
  {
    what: "cuts the answer to EXTEND2 short",
    place: "middle",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: replies(Buffer.alloc(0)),
  },
  {
    what: "answers EXTEND2 in the place of the next relay, with keys of its own",
    place: "middle",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: {
      onMessage: (circuit, _, message) => {
        if (message._tag !== "EXTEND2") return false;
        const secret = X25519KeyPair.fromSecret(Buffer.alloc(32, 3));
        // It takes the handshake for one that was meant for it.
        const own = { rsaIdentity: Buffer.alloc(20), ed25519Identity: Buffer.alloc(32), onionKeys: [secret] };
        const request = Buffer.from(message.handshake);
        own.ed25519Identity = Buffer.from(request.subarray(0, 32));
        secret.publicKey.copy(request, 32);
        let reply: Buffer = Buffer.alloc(96);
        try {
          reply = ntorV3Server(own, request, secret, () => Buffer.of(0), keyMaterialLength(tor1)).reply;
        } catch {
          // Without the key of the relay that was meant it cannot even read the request.
        }
        circuit.send(0, { _tag: "EXTENDED2", handshake: reply });
        return true;
      },
    },
  },
  {
    what: "says that the circuit ends with it",
    place: "middle",
    rule: "tor-spec, Tearing down circuits",
    end: "no hop: DESTROY CONNECTFAILED",
    options: whenAsked((circuit) => {
      circuit.send(0, { _tag: "TRUNCATED", reason: DestroyReason.CONNECTFAILED });
      return true;
    }),
  },
  {
    what: "destroys the circuit when it is to be extended",
    place: "middle",
    rule: "tor-spec, Tearing down circuits",
    // The relay before it does not pass the reason on.
    end: "no hop: DESTROY DESTROYED",
    options: whenAsked((circuit) => {
      circuit.near.destroy(DestroyReason.CHANNEL_CLOSED);
      return true;
    }),
  },
  {
    what: "never answers EXTEND2",
    place: "middle",
    rule: "path-spec, Learning when to give up on slow circuits",
    end: "nobody answers",
    options: whenAsked(() => true),
  },
  {
    what: "answers, as guard, EXTEND2 in RELAY_EARLY",
    place: "guard",
    rule: "tor-spec, Handling relay_early cells",
    end: "the circuit ends: violation, RELAY_EARLY",
    options: replies(Buffer.alloc(96), ChannelCommand.RELAY_EARLY),
  },
  {
    what: "answers EXTEND2 in RELAY_EARLY, which the relay before it sees",
    place: "middle",
    rule: "tor-spec, Handling relay_early cells",
    end: "no hop: DESTROY PROTOCOL",
    options: replies(Buffer.alloc(96), ChannelCommand.RELAY_EARLY),
  },
  {
    what: "answers EXTEND2 with the EXTENDED of old",
    place: "middle",
    rule: EXTEND,
    end: "the circuit ends: violation, EXTENDED",
    options: whenAsked((circuit) => {
      circuit.sendBody(0, RelayCommand.EXTENDED, Buffer.alloc(148));
      return true;
    }),
  },
  {
    what: "answers EXTEND2 on a stream",
    place: "middle",
    rule: "tor-spec, Relay cells",
    end: "the circuit ends: violation, RELAY cell",
    options: whenAsked((circuit) => {
      circuit.sendBody(7, RelayCommand.EXTENDED2, Buffer.alloc(98));
      return true;
    }),
  },
  {
    what: "answers, as guard, an EXTEND2 that was for the relay behind it",
    place: "guard",
    rule: EXTEND,
    end: "the circuit ends: violation, EXTENDED2",
    options: {
      forward: ({ command }, circuit) => {
        // EXTEND2 is what comes in RELAY_EARLY, and the one that is handed on is for the next.
        if (command === ChannelCommand.RELAY_EARLY) circuit.send(0, { _tag: "EXTENDED2", handshake: Buffer.alloc(96) });
        return [];
      },
    },
  },
  {
    what: "answers EXTEND2 twice",
    place: "middle",
    rule: EXTEND,
    end: "the circuit ends: violation, EXTENDED2",
    act: ({ at }) => {
      at.send(0, { _tag: "EXTENDED2", handshake: Buffer.alloc(96) });
      return undefined;
    },
  },
  {
    what: "answers, as exit, an EXTEND2 that nobody has sent",
    place: "exit",
    rule: EXTEND,
    end: "the circuit ends: violation, EXTENDED2",
    act: ({ at }) => {
      at.send(0, { _tag: "EXTENDED2", handshake: Buffer.alloc(96) });
      return undefined;
    },
  },
];
