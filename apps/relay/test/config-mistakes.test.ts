import { NodeServices } from "@effect/platform-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { loadConfig } from "../src/config/load.ts";
import { authorityLine, load, minimal, mistakes } from "./support/config-text.ts";

/** A text as `minimal`, but for one line. */
const withLine = (number: number, line: string): string =>
  minimal
    .split("\n")
    .map((old, index) => (index === number - 1 ? line : old))
    .join("\n");

describe("a mistake in a configuration names file, line and key", () => {
  const size = (from: number, to: number) =>
    `expected a number of bytes, or a size as in "10 MB" or "512 KiB", from ${from} to ${to} bytes`;
  const nickname = "expected 1 to 19 letters and digits";
  const orPort = 'expected an IP address and a port, as in "127.0.0.1:9101"';
  const cases: ReadonlyArray<readonly [what: string, text: string, ...mistakes: ReadonlyArray<string>]> = [
    ["no TOML", "nickname = Zwiebel\n", "relay.toml:1: column 12: invalid value"],
    [
      "a key twice",
      'nickname = "A"\nnickname = "B"\n',
      "relay.toml:2: column 1: trying to redefine an already defined table or value",
    ],
    [
      "a nickname with a space",
      withLine(1, 'nickname = "my relay"'),
      `relay.toml:1: nickname: ${nickname}, got "my relay"`,
    ],
    ["a number as nickname", withLine(1, "nickname = 7"), "relay.toml:1: nickname: expected a text in quotes, got 7"],
    ["no nickname", withLine(1, ""), "relay.toml: nickname: it is missing, and there is no default"],
    ["no data directory", withLine(2, ""), "relay.toml: data_dir: it is missing, and there is no default"],
    ["an empty path", withLine(2, 'data_dir = ""'), 'relay.toml:2: data_dir: expected a path, got ""'],
    ["no OR port", withLine(3, ""), "relay.toml: or_port: it is missing, and there is no default"],
    ["a port alone", withLine(3, 'or_port = "9101"'), `relay.toml:3: or_port: ${orPort}, got "9101"`],
    ["port zero", withLine(3, 'or_port = "127.0.0.1:0"'), `relay.toml:3: or_port: ${orPort}, got "127.0.0.1:0"`],
    [
      "a name for an address",
      withLine(3, 'or_port = "localhost:9101"'),
      `relay.toml:3: or_port: ${orPort}, got "localhost:9101"`,
    ],
    [
      "a word for a truth",
      withLine(4, 'test_network = "yes"'),
      'relay.toml:4: test_network: expected true or false, got "yes"',
    ],
    [
      "two lines of contact",
      `contact = "a\\nb"\n${minimal}`,
      'relay.toml:1: contact: expected one line of text, got "a\\nb"',
    ],
    [
      "an IPv6 address to be reached at",
      `address = "::1"\n${minimal}`,
      'relay.toml:1: address: expected an IPv4 address, got "::1"',
    ],
    ["nobody's address", `address = "0.0.0.0"\n${minimal}`, 'relay.toml:1: address: "0.0.0.0" is nobody\'s address'],
    [
      "all addresses to listen on, and none to be reached at",
      withLine(3, 'or_port = "0.0.0.0:9101"'),
      'relay.toml: address: it is missing, and or_port ("0.0.0.0") does not tell which one others reach',
    ],
    [
      "a port out of range",
      `advertised_port = 70000\n${minimal}`,
      "relay.toml:1: advertised_port: expected a whole number from 1 to 65535, got 70000",
    ],
    [
      "half a port",
      `advertised_port = 443.5\n${minimal}`,
      "relay.toml:1: advertised_port: expected a whole number from 1 to 65535, got 443.5",
    ],
    [
      "a family of words",
      `family = ["Knoblauch",\n  "my other relay"]\n${minimal}`,
      'relay.toml:2: family[2]: expected a nickname, or $ and a fingerprint of 40 hexadecimal digits, got "my other relay"',
    ],
    [
      "too little bandwidth",
      `${minimal}[bandwidth]\nrate = "1 kB"\n`,
      `relay.toml:7: bandwidth.rate: ${size(76_800, 0x7fff_ffff)}, got "1 kB"`,
    ],
    [
      "a unit that is none",
      `${minimal}[bandwidth]\nrate = "1 MBit"\n`,
      `relay.toml:7: bandwidth.rate: ${size(76_800, 0x7fff_ffff)}, got "1 MBit"`,
    ],
    [
      "a burst below the rate",
      `${minimal}[bandwidth]\nrate = "2 MB"\nburst = "1 MB"\n`,
      "relay.toml:8: bandwidth.burst: it is less than bandwidth.rate",
    ],
    [
      "a burst without a rate",
      `${minimal}[bandwidth]\nburst = "1 MB"\n`,
      "relay.toml:7: bandwidth.burst: it needs bandwidth.rate beside it",
    ],
    [
      "a rule for metrics that is none",
      `${minimal}[metrics]\npolicy = ["allow *"]\n`,
      'relay.toml:7: metrics.policy[1]: rule "allow *", at character 1: expected accept, accept6, reject or reject6 at the beginning (bad-action)',
    ],
    [
      "a level that is none",
      `log_level = "loud"\n${minimal}`,
      'relay.toml:1: log_level: expected "error", "warn", "info", "debug", "trace", got "loud"',
    ],
    [
      "a format that is none",
      `log_format = "xml"\n${minimal}`,
      'relay.toml:1: log_format: expected "logfmt", "json", got "xml"',
    ],
    [
      "a policy that is no list",
      `${minimal}[exit]\npolicy = "accept *:*"\n`,
      'relay.toml:7: exit.policy: expected a list in brackets, got "accept *:*"',
    ],
    [
      "a rule that is none",
      `${minimal}[exit]\nenabled = true\npolicy = [\n  "accept *:80",\n  "allow *:443",\n]\n`,
      'relay.toml:10: exit.policy[2]: exit policy "allow *:443", at character 1: expected accept, accept6, reject or reject6 at the beginning (bad-action)',
    ],
    [
      "a name server by name",
      `${minimal}[exit]\nnameservers = ["dns.example.org"]\n`,
      'relay.toml:7: exit.nameservers[1]: expected an IP address, or one with a port as in "127.0.0.1:53" or "[::1]:53", got "dns.example.org"',
    ],
    ["a table that is a value", `exit = true\n${minimal}`, "relay.toml:1: exit: expected a table, got true"],
    [
      "a limit out of bounds",
      `${minimal}[limits]\nmax_train = 0\n`,
      "relay.toml:7: limits.max_train: expected a whole number from 1 to 256, got 0",
    ],
    [
      "less memory than a circuit needs",
      `${minimal}[limits]\nmax_memory = "1 MiB"\n`,
      `relay.toml:7: limits.max_memory: ${size(16_777_216, 1_099_511_627_776)}, got "1 MiB"`,
    ],
    [
      "a defence that is none",
      `${minimal}[dos]\nstream_creation_defense_type = 4\n`,
      "relay.toml:7: dos.stream_creation_defense_type: expected a whole number from 1 to 3, got 4",
    ],
    [
      "tor's word for what the consensus says",
      `${minimal}[dos]\nconnection_enabled = "auto"\n`,
      'relay.toml:7: dos.connection_enabled: expected true or false, got "auto"',
    ],
    [
      "a defence as torrc has it",
      `${minimal}[dos]\nDoSConnectionEnabled = 1\n`,
      'relay.toml:7: dos.DoSConnectionEnabled: there is no such key; did you mean "connection_enabled"?',
    ],
    [
      "a key with a wrong letter",
      `${minimal}contakt = "me"\n`,
      'relay.toml:6: contakt: there is no such key; did you mean "contact"?',
    ],
    [
      "a key as torrc has it",
      `${minimal}ORPort = "127.0.0.1:1"\n`,
      'relay.toml:6: ORPort: there is no such key; did you mean "or_port"?',
    ],
    [
      "a table with a wrong letter",
      `${minimal}[exits]\nenabled = true\n`,
      'relay.toml:6: exits: there is no such key; did you mean "exit"?',
    ],
    [
      "a key of a table with a wrong letter",
      `${minimal}[exit]\nenabeld = true\n`,
      'relay.toml:7: exit.enabeld: there is no such key; did you mean "enabled"?',
    ],
    [
      "a key like no other",
      `${minimal}[metrics]\npassword = "x"\n`,
      "relay.toml:7: metrics.password: there is no such key; the keys here are listen, policy",
    ],
    ["a dotted key", `exit.ipv6 = 6\n${minimal}`, "relay.toml:1: exit.ipv6: expected true or false, got 6"],
    [
      "no authorities",
      withLine(5, ""),
      "relay.toml: authorities: it is missing: give DirAuthority lines here, or in a file that authorities_file names",
    ],
    [
      "two lists of authorities",
      `${minimal}authorities_file = "authorities"\n`,
      "relay.toml:5: authorities: give either authorities or authorities_file, not both",
    ],
    [
      "an empty list of authorities",
      withLine(5, "authorities = []"),
      "relay.toml:5: authorities: there is no authority in the list",
    ],
    [
      "an authority that is none",
      withLine(5, `authorities = [\n  "${authorityLine("1")}",\n  "DirAuthority where"\n]`),
      "relay.toml:7: authorities[2]: expected an IPv4 address and the DirPort, as in 127.0.0.1:9030",
    ],
    [
      "a list of authorities that is not there",
      withLine(5, 'authorities_file = "nowhere"'),
      "relay.toml:5: authorities_file: cannot read nowhere: there is no such file",
    ],
    [
      "several at once, in the order of the lines",
      withLine(1, "nickname = 7").replace("true", '"yes"'),
      "relay.toml:1: nickname: expected a text in quotes, got 7",
      'relay.toml:4: test_network: expected true or false, got "yes"',
    ],
  ];
  for (const [what, text, ...expected] of cases)
    it.effect(what, () => Effect.map(mistakes(text), (found) => assert.deepStrictEqual(found, expected)));

  it.effect("hundreds of mistakes, each at its own line", () =>
    Effect.gen(function* () {
      const rules = Array.from({ length: 400 }, (_, index) => `  "allow *:${index}",`);
      const found = yield* mistakes(`${minimal}[exit]\npolicy = [\n${rules.join("\n")}\n]\n`);
      assert.deepStrictEqual(
        found.map((text) => text.split(":", 2)[1]),
        rules.map((_, index) => String(index + 8)),
      );
    }),
  );

  it.effect("a mistake in the file of the authorities, at its own line", () =>
    Effect.gen(function* () {
      const found = yield* mistakes(withLine(5, 'authorities_file = "authorities"'), {
        authorities: `# mine\n${authorityLine("1")}\nDirAuthority auth2 v3ident=12 127.0.0.1:1 ${"A".repeat(40)}\n`,
      });
      assert.deepStrictEqual(found, ['authorities:3: v3ident "12" is not 40 hexadecimal digits']);
    }),
  );

  it.effect("a file that is not there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(loadConfig("/nowhere/relay.toml"));
      assert.strictEqual(error.message, "/nowhere/relay.toml: cannot read the configuration: there is no such file");
      assert.deepStrictEqual(error.problems, [
        {
          file: "/nowhere/relay.toml",
          line: undefined,
          key: undefined,
          detail: "cannot read the configuration: there is no such file",
        },
      ]);
    }).pipe(Effect.provide(NodeServices.layer)),
  );
});

describe("a warning is for what has no effect, or not the one that was meant", () => {
  const cases: ReadonlyArray<readonly [what: string, text: string, warning: RegExp]> = [
    [
      "metrics where nobody looks",
      `${minimal}[metrics]\nlisten = "192.0.2.7:9035"\n`,
      /relay\.toml:7: metrics\.listen: without metrics\.policy nobody but this machine/,
    ],
    [
      "a policy for metrics that are not served",
      `${minimal}[metrics]\npolicy = ["accept *"]\n`,
      /relay\.toml:7: metrics\.policy: it has no effect/,
    ],
    [
      "a policy of no exit",
      `${minimal}[exit]\npolicy = ["accept *:80"]\n`,
      /relay\.toml:7: exit\.policy: it has no effect/,
    ],
    [
      "a policy that refuses everything",
      `${minimal}[exit]\nenabled = true\npolicy = ["reject *:*"]\n`,
      /relay\.toml:8: exit\.policy: it refuses everything/,
    ],
    [
      "a private address in a public network",
      withLine(4, 'contact = "me"'),
      /relay\.toml:3: or_port: 127\.0\.0\.1 is a private address/,
    ],
    [
      "no contact in a public network",
      withLine(4, 'address = "198.51.100.7"'),
      /relay\.toml: contact: without it nobody can tell you/,
    ],
  ];
  for (const [what, text, warning] of cases)
    it.effect(what, () =>
      Effect.gen(function* () {
        const { config } = yield* load(text);
        assert.lengthOf(config.warnings, 1);
        assert.match(config.warnings[0] ?? "", warning);
      }),
    );
});
