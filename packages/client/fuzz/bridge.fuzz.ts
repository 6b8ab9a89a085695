import assert from "node:assert/strict";
import { connectionPair, type PairedConnection, TransportError } from "@allium/channel";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { Bridge } from "../src/proxy-server/bridge.ts";

const BROKEN = new TransportError({ kind: "other", code: "END_MISC", endpoint: { host: "", port: 0 } });

const PERIOD = 251;
const PATTERN = Buffer.from(Array.from({ length: PERIOD + 65_536 }, (_, at) => at % PERIOD));

/** Bytes that tell their place: one that is lost, doubled or moved shows. */
const pattern = (from: number, length: number): Buffer => PATTERN.subarray(from % PERIOD, (from % PERIOD) + length);

/** One end of what the bridge joins, with what went in at it and what came out. */
class End {
  readonly connection: PairedConnection;
  /** Bytes written and read. */
  sent = 0;
  got = 0;
  /** It has said that nothing more comes. */
  ended = false;
  broken = false;

  constructor(connection: PairedConnection) {
    this.connection = connection;
  }

  write(length: number): void {
    if (this.ended || this.broken || this.connection.status === "closed") return;
    this.connection.write(pattern(this.sent, length));
    this.sent += length;
  }

  read(): void {
    const bytes = this.connection.read();
    if (bytes === undefined) return;
    assert(bytes.equals(pattern(this.got, bytes.length)), "a byte is not the next one");
    this.got += bytes.length;
  }
}

const run = (random: Random): void => {
  const [outer, application] = connectionPair(1 + random.below(4_000));
  const [stream, inner] = connectionPair(1 + random.below(4_000));
  const app = new End(outer);
  const far = new End(inner);
  let now = 0;
  let ends = 0;
  let gathers = false;
  const watched = new Set<Bridge>();
  const bridge = new Bridge(application, stream, {
    watch: (one) => watched.add(one),
    gather: () => {
      gathers = true;
    },
    onEnd: () => ends++,
  });
  bridge.start(Buffer.alloc(0));
  for (let step = 0; step < 40; step++) {
    switch (random.below(10)) {
      case 9:
        if (gathers) {
          gathers = false;
          bridge.passOn();
        }
        break;
      case 0:
      case 1:
        app.write(random.below(6_000));
        break;
      case 2:
      case 3:
        far.write(random.below(6_000));
        break;
      case 4:
        for (let count = random.below(8); count > 0; count--) app.read();
        break;
      case 5:
        for (let count = random.below(8); count > 0; count--) far.read();
        break;
      case 6:
        now += random.pick([1_000, 3_000, 10_000, 120_000]);
        for (const one of watched) one.tick(now);
        break;
      case 7:
        if (random.oneIn(3)) {
          app.connection.end();
          app.ended = true;
        }
        break;
      default:
        if (!random.oneIn(4)) break;
        if (random.oneIn(2)) {
          far.connection.end();
          far.ended = true;
        } else {
          if (!far.ended) far.broken = true;
          far.connection.fail(BROKEN);
        }
    }
    check(app, far, bridge, ends);
  }
  // Whoever it was: when time has passed that nobody uses, or it is told to, nothing is left.
  if (random.oneIn(2) || !watched.has(bridge)) bridge.abort();
  for (let minute = 0; minute < 20; minute++) {
    now += 60_000;
    for (const one of watched) one.tick(now);
  }
  while (app.connection.readable > 0) app.read();
  check(app, far, bridge, ends);
  assert.equal(ends, 1, "it has not ended, or more than once");
  assert.deepEqual([application.status, stream.status], ["closed", "closed"]);
};

/** What always holds. */
const check = (app: End, far: End, bridge: Bridge, ends: number): void => {
  assert(far.got <= app.sent && app.got <= far.sent, "more came out than went in");
  assert(bridge.up <= app.sent && bridge.down <= far.sent);
  assert(ends <= 1);
  const { status, failure, readable } = app.connection;
  // An end that looks like a good one is one: the stream has said so, and all of it is here.
  if (status === "ended" && failure === undefined)
    assert(far.ended && !far.broken && app.got + readable === far.sent, "an end, and bytes are missing");
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "bridge of a proxy", run }];
