import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect } from "effect";
import { createTorClient, DataDirError, plainClient, StreamOpenError, type TorClientConfig } from "../../src/index.ts";
import { tcpServer } from "../support/servers.ts";
import { TorStandIn } from "../support/stand-in.ts";
import { turnsUntil } from "../support/turns.ts";

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error,
  );

describe("a client as promises", () => {
  const makeTest = (tor: TorStandIn) => plainClient(tor.service, Context.empty());

  it("opens streams, looks names up, and has other identities", async () => {
    await using server = await tcpServer((socket) => socket.pipe(socket));
    const tor = new TorStandIn({ "echo.tld.invalid:7": server.port }, { "echo.tld.invalid": "192.0.2.1" });
    const client = makeTest(tor);
    await client.ready();
    const connection = await client.open({ host: "echo.tld.invalid", port: 7 });
    connection.write(Buffer.from("hello"));
    await turnsUntil(() => connection.readable > 0);
    assert.strictEqual(connection.read()?.toString(), "hello");
    connection.destroy();
    await turnsUntil(() => tor.open === 0);
    assert.deepStrictEqual(await client.resolve("echo.tld.invalid"), [
      { value: { family: 4, address: "192.0.2.1" }, ttl: 60 },
    ]);
    const unknown = await failure(client.reverse("192.0.2.1"));
    assert.instanceOf(unknown, StreamOpenError);
    assert.strictEqual(unknown.code, "ENOTFOUND");
    const other = await client.isolated();
    (await other.open({ host: "echo.tld.invalid", port: 7 })).destroy();
    assert.deepStrictEqual(
      tor.asked.map(({ identity }) => identity),
      [0, 1],
    );
  });

  it("tells its status and events", async () => {
    const client = makeTest(new TorStandIn({}));
    assert.strictEqual(client.status().phase, "ready");
    assert.deepStrictEqual(client.tunnels(), []);
    for await (const event of client.events()) {
      assert.strictEqual(event._tag, "Bootstrap");
      break;
    }
  });

  it("gives up what its signal gives up", async () => {
    const tor = new TorStandIn({});
    const client = plainClient(
      { ...tor.service, ready: Effect.never, resolve: () => Effect.never, reverse: () => Effect.never },
      Context.empty(),
    );
    for (const wait of [
      (signal: AbortSignal) => client.ready(signal),
      (signal: AbortSignal) => client.resolve("site.tld.invalid", {}, signal),
      (signal: AbortSignal) => client.reverse("192.0.2.1", {}, signal),
    ]) {
      const controller = new AbortController();
      const waiting = failure(wait(controller.signal));
      const reason = new Error("never mind");
      controller.abort(reason);
      assert.strictEqual(await waiting, reason);
    }
  });
});

describe("a client of a program's own", () => {
  /** A network in which nobody is. */
  const config = (dataDir: string): TorClientConfig => ({ dataDir, testNetwork: true, authorities: [] });

  it("runs until it is closed; who waits for it then is told", async () => {
    const directory = await mkdtemp(join(tmpdir(), "allium-client-"));
    try {
      const client = await createTorClient(config(join(directory, "data")));
      assert.notStrictEqual(client.status().phase, "ready");
      const waiting = failure(client.open({ host: "site.tld.invalid", port: 80 }));
      await client.close();
      const error = await waiting;
      assert.instanceOf(error, StreamOpenError);
      assert.strictEqual(error.code, "ERR_TOR_SHUTTING_DOWN");
      // Again, over what the first one kept, and closed by its block.
      await using next = await createTorClient(config(join(directory, "data")));
      assert.notStrictEqual(next.status().phase, "ready");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("does not start without a directory for what it keeps", async () => {
    const directory = await mkdtemp(join(tmpdir(), "allium-client-"));
    try {
      await writeFile(join(directory, "file"), "");
      assert.instanceOf(await failure(createTorClient(config(join(directory, "file")))), DataDirError);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
