import { assert, describe, it } from "@effect/vitest";
import { ChannelLimit, ChannelLost, ChannelsClosed, ChannelTimeout, TransportError } from "../src/index.ts";

describe("why there is no channel, in words", () => {
  const endpoint = { host: "10.0.0.1", port: 9001 };
  const cases: ReadonlyArray<readonly [Error, string]> = [
    [new ChannelTimeout({ step: "connect" }), "no connection in time"],
    [new ChannelTimeout({ step: "handshake" }), "no link handshake in time"],
    [new ChannelLost({ cause: undefined }), "the other side hung up"],
    [
      new ChannelLost({ cause: new TransportError({ kind: "reset", code: "ECONNRESET", endpoint }) }),
      "the connection broke: reset (ECONNRESET) at 10.0.0.1:9001",
    ],
    [new ChannelLimit({ limit: "circuits" }), "a bound is reached: circuits"],
    [new ChannelsClosed(), "no channel is opened any more"],
  ];
  for (const [error, words] of cases) it(words, () => assert.strictEqual(error.message, words));
});
