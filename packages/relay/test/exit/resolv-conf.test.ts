import { assert, describe, it } from "@effect/vitest";
import { nameServersOf } from "../../src/exit/resolv-conf.ts";

describe("resolv.conf", () => {
  it("names name servers in their order, with a port or without", () => {
    const text = [
      "# nameserver 192.0.2.9",
      "; nameserver 192.0.2.8",
      "search example.com",
      "nameserver 192.0.2.1",
      "  nameserver\t192.0.2.2:5353  # the second",
      "nameserver 2001:DB8::1\r",
      "nameserver ::1",
      "nameserver [2001:db8::2]",
      "nameserver [2001:db8::3]:5353",
      "options timeout:1",
    ].join("\n");
    assert.deepStrictEqual(nameServersOf(text), [
      "192.0.2.1:53",
      "192.0.2.2:5353",
      "[2001:db8::1]:53",
      "[::1]:53",
      "[2001:db8::2]:53",
      "[2001:db8::3]:5353",
    ]);
  });

  for (const line of [
    "",
    "nameserver",
    "nameserver example.com",
    "nameserver 192.0.2.1:0",
    "nameserver 192.0.2.1:65536",
    "nameserver 192.0.2.1:",
    "nameserver 192.0.2.1:dns",
    "nameserver [192.0.2.1",
    "nameserver [2001:db8::1]:x",
    "nameserver 192.0.2.256",
    "nameservers 192.0.2.1",
  ]) {
    it(`names none in "${line}"`, () => {
      assert.deepStrictEqual(nameServersOf(line), []);
    });
  }
});
