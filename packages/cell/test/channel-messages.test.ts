import { assert, describe, it } from "@effect/vitest";
import * as Schema from "effect/Schema";
import { Random } from "../../../test/support/fuzz.ts";
import { randomChannelMessage } from "../fuzz/messages.ts";
import type { ChannelMessage, ChannelMessageTag } from "../src/index.ts";
import {
  CellDecoder,
  ChannelCommand,
  channelCommandName,
  channelMessageTags,
  circIdRule,
  DestroyReason,
  destroyReasonName,
  encodeChannelBody,
  encodeChannelMessage,
  encodeFixedCell,
  encodeVariableCell,
  isVariableLength,
  readChannelMessage,
  readFirstMessage,
  readHandshakeAsInitiator,
  readHandshakeAsResponder,
  readOpenMessage,
} from "../src/index.ts";
import { cellOf, hex, padded, refuses, unencodable } from "./support.ts";
import { channelVectors } from "./vectors/channel.ts";

const circIdFor = (tag: ChannelMessageTag): number => (circIdRule(ChannelCommand[tag]) === "nonzero" ? 0x80000007 : 0);

/** Reads a body as that of a message, padded if its cells are. */
const read = (tag: ChannelMessageTag, body: string) => {
  const command = ChannelCommand[tag];
  return readChannelMessage(cellOf(command, isVariableLength(command) ? hex(body) : padded(body), circIdFor(tag)));
};

/** Reads a body that its cell ends, as no sound one does. */
const readBare = (tag: ChannelMessageTag, body: string) =>
  readChannelMessage(cellOf(ChannelCommand[tag], hex(body), circIdFor(tag)));

describe("vectors", () => {
  it.each(channelVectors)("$name", ({ body, message }) => {
    const command = ChannelCommand[message._tag];
    const circId = circIdFor(message._tag);
    assert.deepStrictEqual(read(message._tag, body), message);
    const cell = isVariableLength(command)
      ? encodeVariableCell(circId, command, hex(body), command === ChannelCommand.VERSIONS ? 2 : 4)
      : encodeFixedCell(circId, command, hex(body));
    assert.deepStrictEqual(encodeChannelMessage(circId, message), cell);
  });

  it("meet every message but the one that nobody sends", () => {
    const met = new Set<string>(channelVectors.map(({ message }) => message._tag));
    assert.deepStrictEqual(
      channelMessageTags.filter((tag) => !met.has(tag)),
      ["AUTHORIZE"],
    );
  });

  it("test_unspecified: cells of undefined commands, fixed and variable", () => {
    for (const command of [101, 244]) {
      const cell = cellOf(command, Buffer.from("A mage's name is better hidden than a herring in the sea"), 3);
      assert.deepStrictEqual(readOpenMessage(cell), { _tag: "UNRECOGNIZED", command });
    }
  });

  it("bad_circid_cells", () => {
    refuses(() => readOpenMessage(cellOf(ChannelCommand.NETINFO, padded("123456"), 0x10)), "circuit-id", "NETINFO", 0);
    for (const tag of channelMessageTags) {
      const command = ChannelCommand[tag];
      const rule = circIdRule(command);
      if (rule === "any") continue;
      const wrong = rule === "zero" ? 1 : 0;
      refuses(() => readChannelMessage(cellOf(command, padded(""), wrong)), "circuit-id", tag, 0);
    }
  });
});

describe("states", () => {
  const names = Object.keys(ChannelCommand) as Array<keyof typeof ChannelCommand>;
  const states = [
    { name: "before VERSIONS", reader: readFirstMessage, allowed: ["VERSIONS", "VPADDING", "AUTHORIZE"] },
    {
      name: "in the handshake, as initiator",
      reader: readHandshakeAsInitiator,
      allowed: ["VERSIONS", "CERTS", "AUTH_CHALLENGE", "NETINFO", "VPADDING", "AUTHORIZE"],
    },
    {
      name: "in the handshake, as responder",
      reader: readHandshakeAsResponder,
      allowed: ["VERSIONS", "CERTS", "AUTHENTICATE", "NETINFO", "VPADDING", "AUTHORIZE"],
    },
    {
      name: "when open",
      reader: readOpenMessage,
      allowed: names.filter((name) => !/^(CERTS|AUTH_CHALLENGE|AUTHENTICATE|RELAY|RELAY_EARLY)$/.test(name)),
    },
  ];

  it.each(states)("takes its own messages $name, and no others", ({ reader, allowed }) => {
    for (const name of names) {
      const command = ChannelCommand[name];
      const circId = circIdRule(command) === "nonzero" ? 1 : 0;
      const sample = channelVectors.find(({ message }) => message._tag === name);
      const body = isVariableLength(command) ? hex(sample?.body ?? "") : padded(sample?.body ?? "");
      const cell = cellOf(command, body, circId);
      if (allowed.includes(name)) assert.strictEqual(reader(cell)._tag, name);
      else refuses(() => reader(cell), "unexpected", name, 0);
    }
  });

  it("refuses undefined commands in the handshake", () => {
    for (const reader of [readFirstMessage, readHandshakeAsInitiator, readHandshakeAsResponder]) {
      refuses(() => reader(cellOf(101, padded(""), 0)), "unexpected", "command 101", 0);
    }
  });
});

describe("malformed messages", () => {
  it("VERSIONS of an odd length", () => refuses(() => read("VERSIONS", "0003 00"), "length", "VERSIONS", 0));

  it("CERTS whose certificates are cut, or come twice", () => {
    refuses(() => read("CERTS", ""), "truncated", "CERTS", 0);
    refuses(() => read("CERTS", "01"), "truncated", "CERTS", 1);
    refuses(() => read("CERTS", "01 02 00"), "truncated", "CERTS", 2);
    refuses(() => read("CERTS", "01 02 0003 0000"), "truncated", "CERTS", 4);
    refuses(() => read("CERTS", "02 02 0001 00 02 0001 00"), "duplicate", "CERTS", 5);
  });

  it("CERTS with bytes after the last certificate are sound", () => {
    assert.deepStrictEqual(read("CERTS", "01 02 0001 aa ffffff"), {
      _tag: "CERTS",
      certs: [{ type: 2, body: hex("aa") }],
    });
  });

  it("AUTH_CHALLENGE whose challenge or methods are cut", () => {
    refuses(() => read("AUTH_CHALLENGE", "00".repeat(31)), "truncated", "AUTH_CHALLENGE", 0);
    refuses(() => read("AUTH_CHALLENGE", "00".repeat(33)), "truncated", "AUTH_CHALLENGE", 32);
    refuses(() => read("AUTH_CHALLENGE", `${"00".repeat(32)} 0002 0003`), "truncated", "AUTH_CHALLENGE", 36);
  });

  it("AUTHENTICATE that is cut", () => {
    refuses(() => read("AUTHENTICATE", "0003 00"), "truncated", "AUTHENTICATE", 2);
    refuses(() => read("AUTHENTICATE", "0003 0004 414141"), "truncated", "AUTHENTICATE", 4);
  });

  it("NETINFO whose addresses run out of the cell", () => {
    refuses(() => readBare("NETINFO", "000000"), "truncated", "NETINFO", 0);
    refuses(() => readBare("NETINFO", "00000000 04 04 7f0000"), "truncated", "NETINFO", 6);
    refuses(() => readBare("NETINFO", "00000000 04 04 7f000001 02 04 04 7f000001"), "truncated", "NETINFO", 17);
    const tooMany = `00000000 04 04 7f000001 ff ${"04 04 7f000001".repeat(83)}`;
    refuses(() => read("NETINFO", tooMany), "truncated", "NETINFO", 509);
  });

  it("NETINFO addresses whose length is that of the other family are unknown", () => {
    const netinfo = read("NETINFO", `00000000 06 04 7f000001 01 04 10 ${"00".repeat(16)}`);
    assert.deepStrictEqual(netinfo, {
      _tag: "NETINFO",
      timestamp: 0,
      otherAddress: { family: "unknown", type: 6, value: hex("7f000001") },
      myAddresses: [{ family: "unknown", type: 4, value: Buffer.alloc(16) }],
    });
  });

  it("PADDING_NEGOTIATE of another version or command (test_padding_negotiate)", () => {
    refuses(() => read("PADDING_NEGOTIATE", "90 0303"), "value", "PADDING_NEGOTIATE", 0);
    refuses(() => read("PADDING_NEGOTIATE", "00 03"), "value", "PADDING_NEGOTIATE", 1);
    refuses(() => readBare("PADDING_NEGOTIATE", "00 02 0000"), "truncated", "PADDING_NEGOTIATE", 4);
  });

  it("CREATE2 and CREATED2 whose handshake is longer than the cell", () => {
    refuses(() => read("CREATE2", "0002 01fa"), "truncated", "CREATE2", 4);
    refuses(() => read("CREATED2", "01fc"), "truncated", "CREATED2", 2);
    refuses(() => readBare("CREATE2", "00"), "truncated", "CREATE2", 0);
    refuses(() => readBare("CREATED2", "00"), "truncated", "CREATED2", 0);
  });

  it("fixed handshakes and DESTROY in a cell that is too short", () => {
    refuses(() => readBare("CREATE", "00".repeat(185)), "truncated", "CREATE", 0);
    refuses(() => readBare("CREATED", "00".repeat(147)), "truncated", "CREATED", 0);
    refuses(() => readBare("CREATE_FAST", "00".repeat(19)), "truncated", "CREATE_FAST", 0);
    refuses(() => readBare("CREATED_FAST", "00".repeat(39)), "truncated", "CREATED_FAST", 20);
    refuses(() => readBare("DESTROY", ""), "truncated", "DESTROY", 0);
  });

  it("says in words what is wrong", () => {
    assert.throws(() => read("CERTS", "01 02 0003 0000"), "CERTS, byte 4: certificate needs 3 bytes, 2 are left");
  });
});

describe("messages that have no encoding", () => {
  const refusesToSend = (message: ChannelMessage, detail: RegExp) =>
    unencodable(() => encodeChannelBody(message), message._tag, detail);

  it("fields of the wrong length or size", () => {
    refusesToSend({ _tag: "VERSIONS", versions: [70_000] }, /version 70000 does not fit 2 bytes/);
    refusesToSend({ _tag: "AUTH_CHALLENGE", challenge: Buffer.alloc(31), methods: [3] }, /31 bytes, not 32/);
    refusesToSend({ _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(21) }, /21 bytes, not 20/);
    refusesToSend({ _tag: "DESTROY", reason: 256 }, /reason 256 does not fit 1 bytes/);
    refusesToSend({ _tag: "DESTROY", reason: -1 }, /reason -1/);
    refusesToSend({ _tag: "DESTROY", reason: 0.5 }, /reason 0.5/);
    refusesToSend({ _tag: "VPADDING", length: 65_536 }, /65536 bytes of padding/);
    refusesToSend({ _tag: "VPADDING", length: -1 }, /-1 bytes of padding/);
  });

  it("bodies longer than their cell", () => {
    refusesToSend({ _tag: "CREATE2", handshakeType: 2, handshake: Buffer.alloc(506) }, /510 bytes is longer than 509/);
    refusesToSend({ _tag: "AUTHORIZE", body: Buffer.alloc(65_536) }, /65536 bytes is longer than 65535/);
  });

  it("two certificates of a type", () => {
    const cert = { type: 2, body: Buffer.alloc(1) };
    refusesToSend({ _tag: "CERTS", certs: [cert, cert] }, /second certificate of CertType 2/);
  });

  it("texts that are no address, or one of another family", () => {
    const netinfo = (address: string, family: 4 | 6): ChannelMessage => ({
      _tag: "NETINFO",
      timestamp: 0,
      otherAddress: { family, address },
      myAddresses: [],
    });
    refusesToSend(netinfo("localhost", 4), /"localhost" is no address of family 4/);
    refusesToSend(netinfo("127.0.0.1", 6), /"127.0.0.1" is no address of family 6/);
  });

  it("a circuit ID that the message cannot have", () => {
    unencodable(() => encodeChannelMessage(0, { _tag: "DESTROY", reason: 0 }), "DESTROY", /must be nonzero/);
    unencodable(() => encodeChannelMessage(1, { _tag: "PADDING" }), "PADDING", /must be zero/);
  });
});

describe("names", () => {
  it("of commands and reasons, known and not", () => {
    assert.strictEqual(channelCommandName(130), "AUTH_CHALLENGE");
    assert.isUndefined(channelCommandName(13));
    assert.strictEqual(destroyReasonName(DestroyReason.CHANNEL_CLOSED), "CHANNEL_CLOSED");
    assert.isUndefined(destroyReasonName(200));
  });
});

describe("properties", () => {
  it.prop(
    "what is sent is what is read, over a channel of either circuit ID length",
    { seed: Schema.Int },
    ({ seed }) => {
      const message = randomChannelMessage(new Random(seed));
      for (const circIdLen of [2, 4] as const) {
        const circId = circIdFor(message._tag) % 0x8000;
        const decoder = new CellDecoder();
        if (circIdLen === 4 && message._tag !== "VERSIONS") decoder.setLinkProtocol(5);
        decoder.push(encodeChannelMessage(circId, message, circIdLen));
        assert.isTrue(decoder.next());
        assert.strictEqual(decoder.circId, circId);
        assert.deepStrictEqual(readChannelMessage(decoder), message);
        assert.isFalse(decoder.next());
      }
    },
  );

  it.prop("what was read does not change when the socket's buffer does", { seed: Schema.Int }, ({ seed }) => {
    const message = randomChannelMessage(new Random(seed));
    const body = encodeChannelBody(message);
    const seen = readChannelMessage(cellOf(ChannelCommand[message._tag], body, circIdFor(message._tag)));
    body.fill(0x55);
    assert.deepStrictEqual(seen, message);
  });
});
