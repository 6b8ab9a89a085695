import { deflateSync, zstdCompressSync } from "node:zlib";
import { assert, describe, it } from "@effect/vitest";
import { recordedDifferences } from "../hostile/differences.ts";
import { fillBody, type MomentSpan, parseBody, renderBody } from "../hostile/recording/body.ts";
import { directoryMaker, directoryMoments, directoryNames } from "../hostile/recording/directory-names.ts";
import { RecordingError } from "../hostile/recording/error.ts";
import { describeHttp } from "../hostile/recording/http-answer.ts";
import { parseRecording, type Recording, readRecordings, renderRecording } from "../hostile/recording/recording.ts";
import { scenarios } from "../hostile/recording/scenarios.ts";
import { transcribe } from "../hostile/recording/transcribe.ts";
import { Random } from "../support/fuzz.ts";

const nothing = (): Buffer => assert.fail("nothing is of one moment");

const refused = (attempt: () => unknown): RecordingError => {
  try {
    attempt();
  } catch (error) {
    assert.instanceOf(error, RecordingError);
    return error;
  }
  return assert.fail("it was read");
};

describe("the notation of bodies", () => {
  it("has text, hex, what is there many times, and what is made anew", () => {
    const body = Buffer.concat([Buffer.from("127.0.0.1:5000\0"), Buffer.of(1, 0x27, 2), Buffer.alloc(9, "a")]);
    const written = renderBody(body, [{ start: 9, end: 14, moment: "port origin" }]);
    assert.strictEqual(written, "'127.0.0.1' {port origin} 00012702 'a'*9");
    const asked: Array<unknown> = [];
    const made = fillBody(parseBody(written, "here"), (name, args) => {
      asked.push([name, ...args]);
      return Buffer.from(":6000");
    });
    assert.deepStrictEqual(asked, [["port", "origin"]]);
    assert.strictEqual(made.toString("latin1"), "127.0.0.1:6000\0\x01'\x02aaaaaaaaa");
  });

  it("gives all bytes back", () => {
    const random = new Random(1);
    for (let round = 0; round < 2_000; round++) {
      const pieces = Array.from({ length: random.below(6) }, () =>
        random.oneIn(2) ? random.bytes(random.below(20)) : Buffer.alloc(random.below(40), random.bytes(1)),
      );
      const body = Buffer.concat(pieces);
      assert.deepStrictEqual(fillBody(parseBody(renderBody(body), "here"), nothing), body);
      if (body.length < 2) continue;
      const start = random.below(body.length - 1);
      const end = start + 1 + random.below(body.length - start);
      const span: MomentSpan = { start, end, moment: "time" };
      const filled = fillBody(parseBody(renderBody(body, [span]), "here"), () => body.subarray(start, end));
      assert.deepStrictEqual(filled, body);
    }
  });

  it("is refused if it is anything else", () => {
    for (const text of ["0", "0g", "'a", "00  00", " 00", "00*", "{}", "{port", "00'a'", "00*99999999", "{port [}"]) {
      assert.strictEqual(refused(() => parseBody(text, "step 3")).where, "step 3", text);
    }
  });
});

const CREATE = { from: "peer", cell: "CREATE_FAST", circuit: 1, body: "{random 20}" } as const;

const recordingOf = (...steps: ReadonlyArray<unknown>): string =>
  JSON.stringify({ title: "a test", tor: "0.4.9.11", made: "by hand", peer: "client", steps });

describe("a recording", () => {
  it("is written as it is read", () => {
    for (const [name, recording] of readRecordings()) {
      assert.deepStrictEqual(parseRecording(renderRecording(recording), name), recording);
    }
  });

  it("is refused if it is malformed, with the place", () => {
    assert.strictEqual(refused(() => parseRecording("{", "a.json")).where, "a.json");
    for (const text of [
      recordingOf(),
      recordingOf({ from: "peer", cell: "CREATE3", circuit: 1 }),
      recordingOf({ from: "somebody", cell: "VERSIONS" }),
      recordingOf({ ...CREATE, circuit: 0 }),
      recordingOf({ ...CREATE, colour: "red" }),
      "null",
    ]) {
      assert.strictEqual(refused(() => parseRecording(text, "a.json")).where, "a.json", text);
    }
    const bad = recordingOf(CREATE, { from: "peer", message: "BEGIN", circuit: 1, stream: 1, body: "xyz" });
    assert.strictEqual(refused(() => parseRecording(bad, "a.json")).where, "a.json, step 2");
    const early = recordingOf({ from: "peer", message: "BEGIN_DIR", circuit: 1, stream: 1 }, CREATE);
    assert.match(refused(() => parseRecording(early, "a.json")).message, /step 1: circuit 1 was not created/);
  });

  it("is not made of nothing", () => {
    refused(() => transcribe([], [], []));
  });
});

describe("the recordings that there are", () => {
  const recordings = readRecordings();

  it("are those of the recorder: else run `node test/hostile/record.ts`", () => {
    assert.sameMembers(
      [...recordings.keys()],
      scenarios.map(({ name }) => name),
    );
    for (const { name, title, peer } of scenarios) {
      const { tor, made, ...recording } = recordings.get(name) as Recording;
      assert.deepInclude(recording, { title, peer });
      assert.strictEqual(made, `node test/hostile/record.ts ${name}`);
      assert.match(tor, /^0\.4\.9\./);
    }
  });

  it("have differences listed once each, and only where there is one", () => {
    const lines = recordedDifferences.map(({ tor }) => tor);
    assert.strictEqual(new Set(lines).size, lines.length);
    for (const { tor, allium } of recordedDifferences) assert.notStrictEqual(tor, allium);
  });
});

const CONSENSUS = [
  "network-status-version 3 microdesc",
  `dir-source zeta ${"A".repeat(40)} 127.0.0.1 127.0.0.1 80 443`,
  `dir-source alpha ${"B".repeat(40)} 127.0.0.1 127.0.0.1 80 443`,
  "r two AAAA 2026-11-21 00:00:00 127.0.0.1 1 0",
  "m secondDigest",
  "s Fast",
  "r one AAAA 2026-11-21 00:00:00 127.0.0.1 1 0",
  "a [::1]:1",
  "m firstDigest",
  `directory-signature sha256 ${"A".repeat(40)} ${"C".repeat(40)}`,
  "",
].join("\n");

describe("names in directory requests", () => {
  it("are those of the network at hand, in the order of nicknames", () => {
    const names = directoryNames(CONSENSUS);
    assert.deepStrictEqual(names, {
      authorities: [
        { identity: "B".repeat(40), signingKey: "" },
        { identity: "A".repeat(40), signingKey: "C".repeat(40) },
      ],
      microdescriptors: ["firstDigest", "secondDigest"],
    });
    const make = directoryMaker(names);
    for (const { text, moment } of directoryMoments(names)) {
      const [name = "", ...args] = moment.split(" ");
      assert.strictEqual(make(name, args).toString(), text);
    }
    assert.match(refused(() => make("microdescriptor", ["2"])).message, /nobody in this network/);
    assert.match(refused(() => make("colour", [])).message, /nobody in this network/);
  });
});

describe("answers of directories", () => {
  const answer = (body: Buffer, encoding: string): Buffer =>
    Buffer.concat([Buffer.from(`HTTP/1.0 200 OK\r\nContent-Encoding: ${encoding}\r\n\r\n`), body]);
  const documents = (...names: ReadonlyArray<string>): Buffer =>
    Buffer.from(names.map((name) => `onion-key\nid ed25519 ${name}\n`).join(""));

  it("are told by their documents, in any order and by any encoding", () => {
    const one = describeHttp(answer(deflateSync(documents("a", "b")), "deflate"));
    assert.match(one, /^HTTP\/1\.0 200 OK, deflate: 2 microdescriptors [0-9a-f]{16}$/);
    const other = describeHttp(answer(zstdCompressSync(documents("b", "a")), "x-zstd"));
    assert.strictEqual(other.replace("x-zstd", "deflate"), one);
    assert.notStrictEqual(describeHttp(answer(documents("a", "c"), "identity")).slice(-16), one.slice(-16));
    assert.strictEqual(
      describeHttp(answer(Buffer.from(CONSENSUS), "identity")),
      "HTTP/1.0 200 OK, identity: network-status-version 3 microdesc, 2 relays, 1 signatures",
    );
  });

  it("are told as far as they can be read", () => {
    assert.strictEqual(describeHttp(answer(Buffer.from("?"), "x-tor-lzma")), "HTTP/1.0 200 OK, x-tor-lzma");
    assert.strictEqual(describeHttp(Buffer.from("HTTP/1.0 404 Not found\r\n\r\n")), "HTTP/1.0 404 Not found, nothing");
    assert.strictEqual(describeHttp(Buffer.from("HTTP/1.0")), "no HTTP answer in 8 bytes");
  });
});
