import type { Random } from "../../../test/support/fuzz.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const ascii = (text: string): Buffer => Buffer.from(text, "latin1");

const ONION = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

/** Destinations of all kinds, good and bad. */
export const destinations: ReadonlyArray<string> = [
  "example.com",
  "Example.COM.",
  "192.0.2.1",
  "[2001:db8::1]",
  "2001:db8::1",
  ONION,
  "foo.onion",
  "a.node.exit",
  "127.1",
  "0x7f.1",
  "a..b",
  "",
  "-a",
  "a".repeat(64),
  "a.".repeat(127),
  "4.3.2.1.in-addr.arpa",
];

const socks4 = (random: Random): Buffer =>
  Buffer.concat([
    Buffer.of(4, random.pick([1, 1, 0xf0, 2]), random.below(2), random.below(256)),
    random.pick([hex("00000001"), hex("c0000201"), hex("00000000")]),
    ascii(`${"u".repeat(random.pick([0, 1, 8, 300, 500]))}\0`),
    ascii(`${random.pick(destinations)}\0`),
  ]);

const socks5Address = (random: Random): Buffer => {
  const name = random.pick(destinations);
  return random.pick([
    Buffer.concat([Buffer.of(3, name.length), ascii(name)]),
    hex("01 c0000201"),
    hex("04 20010db8000000000000000000000001"),
    hex("02 00"),
  ]);
};

const login = (random: Random): Buffer => {
  const user = random.pick(["", "user", "<torS0X>0", "<torS0X>1x", "<torS0X>", "u".repeat(255)]);
  const password = random.pick(["", "pass", "p".repeat(255)]);
  return Buffer.concat([Buffer.of(1, user.length), ascii(user), Buffer.of(password.length), ascii(password)]);
};

const socks5 = (random: Random): Buffer => {
  const withPassword = random.oneIn(2);
  return Buffer.concat([
    withPassword
      ? random.pick([hex("05 01 02"), hex("05 03 00 01 02")])
      : random.pick([hex("05 01 00"), hex("05 02 00 01")]),
    withPassword || random.oneIn(5) ? login(random) : Buffer.alloc(0),
    Buffer.of(5, random.pick([1, 1, 0xf0, 0xf1, 2, 3]), random.oneIn(10) ? 1 : 0),
    socks5Address(random),
    random.pick([hex("0050"), hex("0000"), hex("ffff")]),
  ]);
};

const fields: ReadonlyArray<string> = [
  "Host: example.com:443",
  "Host: localhost",
  "Proxy-Authorization: Basic dG9yOnNlc2FtZQ==",
  "Proxy-Authorization: none",
  "Tor-Stream-Isolation: 42",
  "X-Tor-Stream-Isolation: 43",
  "Tor-Family-Preference: ipv6-only",
  "Tor-Family-Preference: ipv5",
  "Tor-RPC-Target: x",
  "Content-Length: 0",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "no field",
];

const http = (random: Random): Buffer => {
  const host = random.pick(destinations);
  const target = random.pick([`${host}:443`, `[${host}]:1`, host, "*", "/", `http://${host}/`]);
  const chosen = Array.from({ length: random.below(4) }, () => random.pick(fields));
  const long = random.oneIn(10) ? [`X: ${"x".repeat(random.pick([100, 8000, 9000]))}`] : [];
  const method = random.pick(["CONNECT", "CONNECT", "CONNECT", "OPTIONS", "GET", "Connect"]);
  const version = random.pick(["1.1", "1.1", "1.0", "2.0"]);
  return ascii([`${method} ${target} HTTP/${version}`, ...chosen, ...long, "", ""].join("\r\n"));
};

/** What an application may send to a proxy port: a request of some protocol, whole or damaged, and what follows it. */
export const conversation = (random: Random): Buffer => {
  const whole = random.pick([socks4, socks5, http])(random);
  const request = random.oneIn(3) ? random.mutate(whole) : whole;
  return Buffer.concat([request, random.oneIn(2) ? random.bytes(random.below(600)) : Buffer.alloc(0)]);
};
