import { globSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, describe, it } from "@effect/vitest";
import { attribute, type Frame, OUR_FILES, placeOf, sharesOf, withBelow } from "../../bench/attribution.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

/** A function of a file of this tree, or of the platform. */
const script = (name: string, file: string): Frame => ({
  name,
  file: file.startsWith("node:") ? file : pathToFileURL(resolve(ROOT, file)).href,
});

const native = (name: string): Frame => ({ name, file: "" });

const ROOT_FRAME = native("(root)");
const INGRESS = script("turn", "packages/circuit/src/ingress.ts");
const DRAIN = script("#drain", "packages/kernel/src/run-queue.ts");
const SENDER = script("write", "packages/channel/src/channel-writer.ts");

describe("where a sample was taken", () => {
  it("is the place of the function that ran", () => {
    assert.strictEqual(placeOf([INGRESS, DRAIN, ROOT_FRAME]), "ingress");
    assert.strictEqual(placeOf([DRAIN, ROOT_FRAME]), "links, run queue");
    assert.strictEqual(placeOf([SENDER, DRAIN, ROOT_FRAME]), "channel writer");
  });

  it("is the caller's place when the function has none of its own", () => {
    const copy = script("copy", "node:buffer");
    const fields = script("readHeader", "packages/cell/src/relay/v0.ts");
    assert.strictEqual(placeOf([copy, SENDER, DRAIN]), "channel writer");
    assert.strictEqual(placeOf([fields, INGRESS, DRAIN]), "ingress");
  });

  it("tells the platform's machine code by the function that called it", () => {
    const update = script("update", "node:internal/crypto/cipher");
    const decrypt = script("decrypt", "packages/crypto/src/relay-crypto.ts");
    assert.strictEqual(placeOf([native("update"), update, decrypt, INGRESS]), "relay cipher (AES)");
    const generic = script("writeGeneric", "node:internal/stream_base_commons");
    assert.strictEqual(placeOf([native("writeBuffer"), generic, SENDER]), "TLS encrypt, socket write");
    assert.strictEqual(placeOf([generic, SENDER]), "platform's streams");
  });

  it("tells the running digest from the rest of the relay's crypto", () => {
    const open = script("open", "packages/crypto/src/running-digest.ts");
    const decrypt = script("origin", "packages/crypto/src/relay-crypto.ts");
    assert.strictEqual(placeOf([{ name: "absorb", file: "wasm://wasm/1234" }, open, decrypt]), "relay digest (SHA-1)");
    assert.strictEqual(placeOf([open, decrypt, INGRESS]), "relay digest (SHA-1)");
    assert.strictEqual(placeOf([decrypt, INGRESS]), "relay cipher (AES)");
  });

  it("takes V8's names for what is no function", () => {
    assert.strictEqual(placeOf([native("(program)"), ROOT_FRAME]), "below JavaScript");
    assert.strictEqual(placeOf([native("(garbage collector)"), ROOT_FRAME]), "collector");
    assert.strictEqual(placeOf([native("(idle)"), ROOT_FRAME]), "idle");
  });

  it("knows the kernel's calls and OpenSSL's ciphers", () => {
    const place = (...names: ReadonlyArray<string>): string => placeOf(names.map(native));
    assert.strictEqual(
      placeOf([...["tcp_sendmsg", "ksys_write", "uv__try_write"].map(native), SENDER]),
      "socket write",
    );
    assert.strictEqual(place("tcp_recvmsg", "sock_read_iter", "read", "uv__io_poll"), "socket read");
    assert.strictEqual(place("aesni_gcm_decrypt"), "TLS decrypt");
    assert.strictEqual(place("aesni_gcm_encrypt"), "TLS encrypt");
    assert.strictEqual(place("vaes_gcm_setiv", "tls13_cipher", "tls_write_records_default"), "TLS encrypt");
    assert.strictEqual(place("aesni_ctr32_encrypt_blocks"), "relay cipher (AES)");
    assert.strictEqual(place("v8::internal::Scavenger::Process(v8::JobDelegate*)"), "collector");
    assert.strictEqual(place("do_epoll_wait", "epoll_pwait", "uv__io_poll"), "event loop, timers");
  });

  it("is a guess from the function alone where its caller is lost", () => {
    assert.strictEqual(placeOf([native("malloc"), native("[unknown]")]), "allocator");
    assert.strictEqual(placeOf([native("malloc"), SENDER]), "channel writer");
    assert.strictEqual(placeOf([native("ossl_gcm_gmult_avx512")]), "TLS cipher, either way");
  });

  it("does not take a script's function for machine code of the same name", () => {
    assert.strictEqual(placeOf([script("aesni_gcm_decrypt", "packages/circuit/src/egress.ts")]), "egress");
  });

  it("is elsewhere when nobody on the stack is known", () => {
    assert.strictEqual(placeOf([script("log", "packages/cli/src/log.ts"), ROOT_FRAME]), "other");
    assert.strictEqual(placeOf([]), "other");
  });

  it("is by files that are there", () => {
    const files = globSync("packages/*/src/**/*.ts", { cwd: ROOT });
    for (const path of Object.values(OUR_FILES).flat()) {
      assert.isTrue(
        files.some((file) => file.startsWith(path)),
        path,
      );
    }
  });
});

describe("a profile", () => {
  it("is shared out between the places, without the time in which nothing ran", () => {
    const weights = attribute([
      { stack: [INGRESS, DRAIN], weight: 30 },
      { stack: [script("copy", "node:buffer"), INGRESS], weight: 30 },
      { stack: [DRAIN], weight: 20 },
      { stack: [native("(idle)")], weight: 1000 },
    ]);
    assert.deepStrictEqual(
      [...sharesOf(weights)],
      [
        ["ingress", 0.75],
        ["links, run queue", 0.25],
      ],
    );
  });

  it("has what V8 takes for idle, and what the thread used all the same, below JavaScript", () => {
    const weights = attribute([
      { stack: [INGRESS], weight: 30 },
      { stack: [native("(program)")], weight: 5 },
      { stack: [native("(idle)")], weight: 1000 },
    ]);
    assert.strictEqual(withBelow(weights, 100).get("below JavaScript"), 70);
    // A thread that others kept waiting was seen longer than it ran.
    assert.strictEqual(withBelow(weights, 20).get("below JavaScript"), 5);
  });
});
