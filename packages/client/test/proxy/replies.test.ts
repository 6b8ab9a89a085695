import { EndReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { HttpAnswers } from "../../src/proxy/http-answers.ts";
import { CLIENT_FAILURES, DnsRcode, plainReply, replyTo, Socks4Reply, Socks5Reply } from "../../src/proxy/replies.ts";

/** What `tor` maps an END to for SOCKS5, and what http-connect, "Error codes", has for HTTP since proposal 365. */
const ENDS: Readonly<Record<keyof typeof EndReason, readonly [socks5: Socks5Reply, http: number]>> = {
  MISC: [1, 500],
  RESOLVEFAILED: [4, 503],
  CONNECTREFUSED: [5, 403],
  EXITPOLICY: [2, 503],
  DESTROY: [1, 502],
  DONE: [5, 502],
  TIMEOUT: [6, 504],
  NOROUTE: [4, 503],
  HIBERNATING: [1, 502],
  INTERNAL: [1, 502],
  RESOURCELIMIT: [1, 502],
  CONNRESET: [5, 503],
  TORPROTOCOL: [1, 502],
  NOTDIRECTORY: [1, 500],
};

describe("what an application is told", () => {
  it("follows from the reason of an END", () => {
    for (const [name, [socks5, http]] of Object.entries(ENDS)) {
      const reply = replyTo({ end: EndReason[name as keyof typeof EndReason] });
      assert.deepInclude(reply, {
        socks4: Socks4Reply.REJECTED,
        socks5,
        http,
        token: `end/${name}`,
        dns: DnsRcode.SERVFAIL,
      });
    }
  });

  it("is that something went wrong, for reasons that are not known", () => {
    for (const end of [0, 15, 99, 255])
      assert.deepInclude(replyTo({ end }), { socks5: 1, http: 500, token: `end/${end}` });
  });

  it("follows from each failure of the client, and is never success", () => {
    for (const failure of CLIENT_FAILURES) {
      const reply = replyTo(failure);
      assert.strictEqual(reply.token, `allium/${failure}`);
      assert.match(reply.token, /^[\x21-\x7e]+$/);
      assert.notStrictEqual(reply.socks5, Socks5Reply.SUCCEEDED);
      assert.isAtLeast(reply.http, 400);
      assert.notStrictEqual(reply.dns, DnsRcode.NOERROR);
      assert.isAbove(reply.words.length, 0);
      assert.notInclude(new HttpAnswers().failed(failure).toString(), "undefined");
    }
  });

  it("tells names that cannot be from look-ups that failed, in DNS", () => {
    assert.strictEqual(replyTo("no-answer").dns, DnsRcode.NXDOMAIN);
    assert.strictEqual(replyTo("onion-unsupported").dns, DnsRcode.NXDOMAIN);
    assert.strictEqual(replyTo("destination").dns, DnsRcode.REFUSED);
    assert.strictEqual(replyTo("no-circuit").dns, DnsRcode.SERVFAIL);
  });

  it("has codes of its own for onion services only if the application knows them", () => {
    for (const code of Object.values(Socks5Reply))
      assert.strictEqual(plainReply(code), code >= 0xf0 ? Socks5Reply.HOST_UNREACHABLE : code);
  });
});
