import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TorClient, TorHttpClient } from "@allium/client";
import type { ConfluxScheduler } from "@allium/conflux";
import { parseAuthorities } from "@allium/directory";
import { assert, it } from "@effect/vitest";
import { Effect } from "effect";
import { HttpClient, HttpClientRequest } from "effect/http";
import { clientWith } from "../../packages/client/test/examples/own-scheduler.ts";
import { httpServer } from "../../packages/client/test/support/servers.ts";
import { earliestArrival } from "../../packages/conflux/test/examples/earliest-arrival.ts";
import { TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

const BODY = randomBytes(20 * 1024 * 1024);

describeWithTor("a scheduler of one's own, in a program, against tor exits", () => {
  it("sends an upload over both legs, and all of it arrives", async () => {
    await using network = await TorNetwork.start({
      clients: 0,
      relays: 4,
      exits: 2,
      consensusParams: { cfx_enabled: 1 },
      equalBandwidths: true,
    });
    network.names.setHost("web.test", "127.0.0.1");
    await using web = await httpServer(async (request, response) => {
      const hash = createHash("sha256");
      for await (const chunk of request) hash.update(chunk);
      response.end(hash.digest("hex"));
    });
    const chosen = new Map<number, number>();
    const counting: ConfluxScheduler = {
      ...earliestArrival,
      choose: (legs, state) => {
        const leg = earliestArrival.choose(legs, state);
        if (leg !== undefined) chosen.set(leg.leg, (chosen.get(leg.leg) ?? 0) + 1);
        return leg;
      },
    };
    const upload = Effect.gen(function* () {
      const tor = yield* TorClient;
      while (!tor.tunnels().some(({ legs, state }) => legs.length === 2 && state === "open")) yield* Effect.sleep(50);
      const response = yield* HttpClientRequest.post(`http://web.test:${web.port}/`).pipe(
        HttpClientRequest.bodyUint8Array(BODY),
        HttpClient.execute,
      );
      return yield* response.text;
    }).pipe(Effect.provide(TorHttpClient.layer), Effect.timeout("60 seconds"));
    const config = {
      dataDir: join(network.directory, "own-scheduler"),
      testNetwork: true,
      authorities: parseAuthorities(readFileSync(network.authoritiesFile, "utf8")),
    };
    const digest = await Effect.runPromise(upload.pipe(Effect.provide(clientWith(counting, config))));
    assert.strictEqual(digest, createHash("sha256").update(BODY).digest("hex"));
    for (const leg of [0, 1]) assert.isAbove(chosen.get(leg) ?? 0, 50, `trains on leg ${leg}`);
  });
});
