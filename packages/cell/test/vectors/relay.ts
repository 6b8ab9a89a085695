import type { RelayMessage } from "../../src/index.ts";

/**
 * Bodies of relay messages and what they mean, from Arti's crates/tor-cell/tests/testvec_relaymsg.rs (MIT or Apache-2.0). By its account
 * they were logged by an instrumented tor 0.4.5.0-alpha-dev in a chutney network, except where marked as made by hand. The
 * names are those of its tests.
 */
export interface RelayVector {
  readonly name: string;
  readonly body: string;
  readonly message: RelayMessage;
  /** What the message encodes to, where that is not `body`. */
  readonly encoded?: string;
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const text = (value: string): string => Buffer.from(value, "latin1").toString("hex");

export const relayVectors: ReadonlyArray<RelayVector> = [
  {
    name: "test_begin",
    body: "3132372E302E302E313A3730303300",
    message: { _tag: "BEGIN", destination: { family: 4, address: "127.0.0.1" }, port: 7003, flags: 0 },
  },
  {
    name: "test_begin, with flags, made by hand",
    body: "7777772e786b63642e636f6d3a34343300 00000003",
    message: { _tag: "BEGIN", destination: { family: "name", address: "www.xkcd.com" }, port: 443, flags: 3 },
  },
  {
    name: "test_begin, with IPv6, made by hand",
    body: "5b323030313a6462383a3a315d3a323200",
    message: { _tag: "BEGIN", destination: { family: 6, address: "2001:db8::1" }, port: 22, flags: 0 },
  },
  { name: "test_begindir", body: "", message: { _tag: "BEGIN_DIR" } },
  { name: "test_connected, empty", body: "", message: { _tag: "CONNECTED", resolved: undefined } },
  {
    name: "test_connected",
    body: "7F000001 00000E10",
    message: { _tag: "CONNECTED", resolved: { address: { family: 4, address: "127.0.0.1" }, ttl: 0xe10 } },
  },
  {
    name: "test_connected, IPv6, made by hand",
    body: "00000000 06 20010db8 00000000 00000000 00001122 00000E10",
    message: { _tag: "CONNECTED", resolved: { address: { family: 6, address: "2001:db8::1122" }, ttl: 0xe10 } },
  },
  { name: "test_drop", body: "", message: { _tag: "DROP" } },
  { name: "test_end", body: "01", message: { _tag: "END", reason: 1, resolved: undefined } },
  { name: "test_end, done", body: "06", message: { _tag: "END", reason: 6, resolved: undefined } },
  {
    name: "test_end, exit policy, made by hand",
    body: "04 7f000007 00000100",
    message: { _tag: "END", reason: 4, resolved: { address: { family: 4, address: "127.0.0.7" }, ttl: 256 } },
  },
  {
    name: "test_end, exit policy, IPv6, made by hand",
    body: "04 20010db8 00000000 00000000 0000f00b 00000200",
    message: { _tag: "END", reason: 4, resolved: { address: { family: 6, address: "2001:db8::f00b" }, ttl: 512 } },
  },
  {
    name: "test_end, empty, made by hand",
    body: "",
    message: { _tag: "END", reason: 1, resolved: undefined },
    encoded: "01",
  },
  {
    name: "test_end, no TTL, made by hand",
    body: "04 7f000007",
    message: { _tag: "END", reason: 4, resolved: { address: { family: 4, address: "127.0.0.7" }, ttl: 0xffffffff } },
    encoded: "04 7f000007 ffffffff",
  },
  {
    name: "test_extend2",
    body: "02 00 06 7F0000011388 02 14 03479E93EBF3FF2C58C1C9DBF2DE9DE9C2801B3E 0002 0054 03479E93EBF3FF2C58C1C9DBF2DE9DE9C2801B3E36A3E0BDB1F1A10579820243DD2E228B902940EB49EF842646E3926768C28410074BEE50A535116D657C6BFB7E5114119DC69F05DF907EF62002EA782B0A357F",
    message: {
      _tag: "EXTEND2",
      linkSpecifiers: [
        { _tag: "TLS_TCP", address: { family: 4, address: "127.0.0.1" }, port: 5000 },
        { _tag: "RSA_ID", id: hex("03479E93EBF3FF2C58C1C9DBF2DE9DE9C2801B3E") },
      ],
      handshakeType: 2,
      handshake: hex("03479E93EBF3FF2C58C1C9DBF2DE9DE9C2801B3E36A3E0BDB1F1A10579820243DD2E228B902940EB49EF842646E3926768C28410074BEE50A535116D657C6BFB7E5114119DC69F05DF907EF62002EA782B0A357F"),
    },
  },
  {
    name: "test_extend",
    body: "7F000001138C71510FC729E1DBE35586F0031D69A38FC684B26D657821EE640C299BA9F8FD38D3A3376F2DD3A79A0B73836AB4B42E5FB3BEE1383F3184A852B292626DCC64AF672A8FAEFC263C38370768EF9EA6C244BA079142D3E23835F6914DE0C7F468316C4265E109F5312987275D61E1DC831A3323195DDE70841CEE2DC30F6DCDBDABA40A75FDFB714431FC5EB8F84D4150EE2C2478A79018F18D7F30F6BB677516CF03390F5180B371DEAEBB89175798864D2130B13ED1D20B254F07CF555174CBE8AD62A7E764A8F3D85D40C5145ABB",
    message: {
      _tag: "EXTEND",
      address: { family: 4, address: "127.0.0.1" },
      port: 5004,
      handshake: hex("71510FC729E1DBE35586F0031D69A38FC684B26D657821EE640C299BA9F8FD38D3A3376F2DD3A79A0B73836AB4B42E5FB3BEE1383F3184A852B292626DCC64AF672A8FAEFC263C38370768EF9EA6C244BA079142D3E23835F6914DE0C7F468316C4265E109F5312987275D61E1DC831A3323195DDE70841CEE2DC30F6DCDBDABA40A75FDFB714431FC5EB8F84D4150EE2C2478A79018F18D7F30F6BB677516CF03390F5180B371DEAEBB89175798864D2130B13ED1D20B254F07"),
      rsaId: hex("CF555174CBE8AD62A7E764A8F3D85D40C5145ABB"),
    },
  },
  { name: "test_extended2", body: "00400026619058EB2661834D54C2624828728F28915587CDAD1AD3373B85F33A480EEA9D3B2CEF8D39C1DBD2FA519E75296B96960690C79A28D6A0D9454F8E9634BD", message: { _tag: "EXTENDED2", handshake: hex("0026619058EB2661834D54C2624828728F28915587CDAD1AD3373B85F33A480EEA9D3B2CEF8D39C1DBD2FA519E75296B96960690C79A28D6A0D9454F8E9634BD") } },
  { name: "test_extended", body: "2B079274DEB8B0A03F7BCCA65813FF557ECB6362C44BE4AC0374E5255540D2712ADBE0E858FD433DD2EB473D85D3C69A457DDE9B7F28E95833EDA57416B9409B68271FFF420F57C53EC1B823491C543C69D06A56A20AB95DD595EE2B16F1AAB24E6314E36D80DF76A67970263AC4902DE692A6AF2FE0B16DF6A9E9124675FAB94A4CF7D65D0F3EBA05682F9DC76A2C47DD3566B3", message: { _tag: "EXTENDED", handshake: hex("2B079274DEB8B0A03F7BCCA65813FF557ECB6362C44BE4AC0374E5255540D2712ADBE0E858FD433DD2EB473D85D3C69A457DDE9B7F28E95833EDA57416B9409B68271FFF420F57C53EC1B823491C543C69D06A56A20AB95DD595EE2B16F1AAB24E6314E36D80DF76A67970263AC4902DE692A6AF2FE0B16DF6A9E9124675FAB94A4CF7D65D0F3EBA05682F9DC76A2C47DD3566B3") } },
  { name: "test_truncated", body: "08", message: { _tag: "TRUNCATED", reason: 8 } },
  {
    name: "PADDING_NEGOTIATE, 41",
    body: "0002000000000001",
    message: { _tag: "PADDING_NEGOTIATE", command: 2, machineType: 0, echoRequest: false, machineCounter: 1 },
  },
  {
    name: "PADDING_NEGOTIATED, 42, stop",
    body: "0001010000000001",
    message: { _tag: "PADDING_NEGOTIATED", command: 1, response: 1, machineType: 0, machineCounter: 1 },
  },
  {
    name: "PADDING_NEGOTIATED, 42, start",
    body: "0002010000000001",
    message: { _tag: "PADDING_NEGOTIATED", command: 2, response: 1, machineType: 0, machineCounter: 1 },
  },
  {
    name: "PADDING_NEGOTIATED, 42, another machine",
    body: "0002010100000001",
    message: { _tag: "PADDING_NEGOTIATED", command: 2, response: 1, machineType: 1, machineCounter: 1 },
  },
  {
    name: "test_resolve, made by hand",
    body: text("www.torproject.org\0"),
    message: { _tag: "RESOLVE", query: { family: "name", address: "www.torproject.org" } },
  },
  {
    name: "test_resolve, reverse, made by hand",
    body: text("1.0.0.127.in-addr.arpa\0"),
    message: { _tag: "RESOLVE", query: { family: "name", address: "1.0.0.127.in-addr.arpa" } },
  },
  {
    name: "test_resolve, reverse, IPv6, made by hand",
    body: text("0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.2.ip6.arpa\0"),
    message: {
      _tag: "RESOLVE",
      query: { family: "name", address: "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.2.ip6.arpa" },
    },
  },
  { name: "test_resolved, empty, made by hand", body: "", message: { _tag: "RESOLVED", answers: [] } },
  {
    name: "test_resolved, transient error, made by hand",
    body: "F0 00 00000E10",
    message: { _tag: "RESOLVED", answers: [{ _tag: "ERROR", transient: true, ttl: 3600 }] },
  },
  {
    name: "test_resolved, permanent error, made by hand",
    body: "F1 00 00000E10",
    message: { _tag: "RESOLVED", answers: [{ _tag: "ERROR", transient: false, ttl: 3600 }] },
  },
  {
    name: "test_resolved, two addresses, made by hand",
    body: "04 04 7f000001 00000E10 04 04 7f000002 00001c20",
    message: {
      _tag: "RESOLVED",
      answers: [
        { _tag: "ADDRESS", address: { family: 4, address: "127.0.0.1" }, ttl: 3600 },
        { _tag: "ADDRESS", address: { family: 4, address: "127.0.0.2" }, ttl: 7200 },
      ],
    },
  },
  {
    name: "test_resolved, IPv6, made by hand",
    body: "06 10 12340000000000000000000000005678 00000080",
    message: {
      _tag: "RESOLVED",
      answers: [{ _tag: "ADDRESS", address: { family: 6, address: "1234::5678" }, ttl: 128 }],
    },
  },
  {
    name: "test_resolved, host name, made by hand",
    body: "00 12 7777772e746f7270726f6a6563742e6f7267 00000258",
    message: { _tag: "RESOLVED", answers: [{ _tag: "HOSTNAME", name: "www.torproject.org", ttl: 600 }] },
  },
  {
    name: "test_resolved, unrecognized, made by hand",
    body: "63 12 7777772e746f7270726f6a6563742e6f7267 00000258",
    message: {
      _tag: "RESOLVED",
      answers: [{ _tag: "UNKNOWN", type: 99, value: hex(text("www.torproject.org")), ttl: 600 }],
    },
  },
  { name: "test_sendme, empty, made by hand", body: "", message: { _tag: "SENDME", version: 0 } },
  {
    name: "test_sendme, made by hand",
    body: "01 0014 F01234989823478bcdefabcdef01234567890123",
    message: { _tag: "SENDME", version: 1, tag: hex("F01234989823478bcdefabcdef01234567890123") },
  },
  { name: "test_truncate", body: "", message: { _tag: "TRUNCATE" } },
  {
    name: "test_data, made by hand",
    body: "474554202f20485454502f312e310d0a0d0a",
    message: { _tag: "DATA", data: hex(text("GET / HTTP/1.1\r\n\r\n")) },
  },
];
