import { assert, describe, it } from "@effect/vitest";
import { AuthorityListError, parseAuthorities } from "../src/index.ts";

const v3ident = "6304D4E8DC54E9CB0231DA017A91C2B07C7B91B4";
const fingerprint = "9695DFC35FFEB861329B9F1AB04C46397020CE31";

const problemsOf = (text: string): AuthorityListError["problems"] => {
  try {
    parseAuthorities(text);
  } catch (error) {
    if (error instanceof AuthorityListError) return error.problems;
    throw error;
  }
  return assert.fail("was read without a complaint");
};

describe("parseAuthorities", () => {
  it("reads a line as tools for private networks write it", () => {
    assert.deepStrictEqual(
      parseAuthorities(`DirAuthority auth0 orport=20000 no-v2 v3ident=${v3ident} 127.0.0.1:20001 ${fingerprint}\n`),
      [
        {
          name: "auth0",
          v3Identity: v3ident,
          relayIdentity: fingerprint,
          download: { host: "127.0.0.1", port: 20001 },
          upload: { host: "127.0.0.1", port: 20001 },
          orPort: 20000,
          ipv6: undefined,
        },
      ],
    );
  });

  it("reads a line of tor's own list: fingerprint with spaces, IPv6, addresses of their own for upload and download", () => {
    const spaced = fingerprint.replace(/.{4}/g, "$& ");
    const [authority] = parseAuthorities(
      `moria1 orport=9201 upload=http://128.31.0.39:9231/ download=http://128.31.0.39:9232 vote=http://128.31.0.39:9233/ ` +
        `v3ident=${v3ident.toLowerCase()} ipv6=[2001:db8::1]:9201 weight=1.0 128.31.0.39:9231 ${spaced}`,
    );
    assert.strictEqual(authority?.name, "moria1");
    assert.strictEqual(authority?.v3Identity, v3ident);
    assert.strictEqual(authority?.relayIdentity, fingerprint);
    assert.deepStrictEqual(authority?.upload, { host: "128.31.0.39", port: 9231 });
    assert.deepStrictEqual(authority?.download, { host: "128.31.0.39", port: 9232 });
    assert.deepStrictEqual(authority?.ipv6, { address: "2001:db8::1", port: 9201 });
  });

  it("reads a file with blank lines, comments, either case of the keyword and lines without a nickname", () => {
    const authorities = parseAuthorities(
      `# the network\r\n\r\ndirauthority a v3ident=${"A".repeat(40)} 10.0.0.1:80 ${"B".repeat(40)} # first\r\n` +
        `\tDirAuthority v3ident=${"C".repeat(40)} 10.0.0.2:80 ${"D".repeat(40)}`,
    );
    assert.deepStrictEqual(
      authorities.map(({ name }) => name),
      ["a", "10.0.0.2:80"],
    );
  });

  it("skips authorities that do not vote, such as those of bridges", () => {
    const text = `Serge orport=9001 bridge 66.111.2.131:9030 ${fingerprint}\na v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}`;
    assert.strictEqual(parseAuthorities(text).length, 1);
  });

  it("tells everything that is wrong, each with its line", () => {
    const text = [
      "DirAuthority",
      `a v3ident=${v3ident} 10.0.0.1:80`,
      `b v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}0`,
      `c v3ident=123 10.0.0.1:80 ${fingerprint}`,
      `d v3ident=${v3ident} 10.0.0.1 ${fingerprint}`,
      `e v3ident=${v3ident} 10.0.0.1:0 ${fingerprint}`,
      `f orport=70000 v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}`,
      `g ipv6=10.0.0.1:80 v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}`,
      `h upload=https://10.0.0.1/ v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}`,
      `i wrong-flag v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}`,
    ].join("\n");
    assert.deepStrictEqual(
      problemsOf(text).map(({ line, detail }) => `${line}: ${detail}`),
      [
        "1: expected an IPv4 address and the DirPort, as in 127.0.0.1:9030",
        "2: expected the fingerprint after the address",
        `3: the fingerprint "${fingerprint}0" is not 40 hexadecimal digits`,
        '4: v3ident "123" is not 40 hexadecimal digits',
        '5: "10.0.0.1" is not an IPv4 address and a port, as in 127.0.0.1:9030',
        '6: "10.0.0.1:0" is not an IPv4 address and a port, as in 127.0.0.1:9030',
        '7: orport "70000" is not a port',
        '8: ipv6 "10.0.0.1:80" is not [address]:port',
        '9: upload "https://10.0.0.1/" is not http://address:port/',
        '10: "wrong-flag" is neither a flag nor an address and a port',
      ],
    );
  });

  it("refuses the same authority twice, and a list without any", () => {
    const line = `v3ident=${v3ident} 10.0.0.1:80 ${fingerprint}`;
    assert.deepStrictEqual(problemsOf(`a ${line}\nb ${line}`), [
      { line: 2, detail: `the v3ident ${v3ident} is that of line 1 too` },
    ]);
    assert.deepStrictEqual(problemsOf("# nobody\n"), [{ line: 1, detail: "there is no authority in the list" }]);
  });
});
