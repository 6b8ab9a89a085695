import assert from "node:assert/strict";
import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import { AuthorityListError, parseAuthorities } from "../src/authorities.ts";
import { FallbackListError, parseFallbacks } from "../src/fallbacks.ts";

const sample = Buffer.from(
  [
    "# authorities",
    `DirAuthority auth0 orport=20000 no-v2 v3ident=${"A1".repeat(20)} 127.0.0.1:20001 ${"B2 ".repeat(20)}`,
    `DirAuthority auth1 orport=20003 ipv6=[::1]:20003 v3ident=${"C3".repeat(20)} 127.0.0.1:20004 ${"D4".repeat(20)}`,
    `auth2 upload=http://10.0.0.1:80/ download=http://[::1]:80 weight=1.0 v3ident=${"E5".repeat(20)} 127.0.0.1:7 ${"F6".repeat(20)}`,
  ].join("\n"),
);

const fallbacks = Buffer.from(
  [
    "# fallbacks",
    `FallbackDir 192.0.2.1 orport=443 id=${"A1".repeat(20)}`,
    `192.0.2.2:80 orport=9001 id=${"B2".repeat(20)} weight=1.5 ipv6=[2001:db8::2]:9001 # the second`,
  ].join("\n"),
);

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "directory/authorities",
    run: (random) => {
      const text = random.mutate(sample).toString("latin1");
      try {
        for (const { v3Identity, relayIdentity, download, upload } of parseAuthorities(text)) {
          for (const identity of [v3Identity, relayIdentity]) assert.match(identity, /^[0-9A-F]{40}$/);
          for (const { port } of [download, upload]) assert(port > 0 && port < 65_536);
        }
      } catch (error) {
        if (!(error instanceof AuthorityListError)) throw error;
        const lines = text.split("\n").length;
        for (const { line } of error.problems) assert(line >= 1 && line <= lines, "an error outside the text");
      }
    },
  },
  {
    name: "directory/fallbacks",
    run: (random) => {
      const text = random.mutate(fallbacks).toString("latin1");
      try {
        for (const { relayIdentity, orPort, ipv6, weight } of parseFallbacks(text)) {
          assert.match(relayIdentity, /^[0-9A-F]{40}$/);
          assert.match(orPort.host, /^[0-9.]{7,15}$/);
          for (const port of [orPort.port, ipv6?.port ?? 1]) assert(port > 0 && port < 65_536);
          assert(Number.isFinite(weight) && weight >= 0);
        }
      } catch (error) {
        if (!(error instanceof FallbackListError)) throw error;
        const lines = text.split("\n").length;
        for (const { line } of error.problems) assert(line >= 1 && line <= lines, "an error outside the text");
      }
    },
  },
];
