import { loaderOfTexts } from "../../../../test/support/config-text.ts";
import { loadConfig } from "../../src/config/load.ts";

/** A line that names an authority. */
export const authorityLine = (digit: string, port = 7000): string =>
  `DirAuthority auth${digit} orport=5000 no-v2 v3ident=${digit.repeat(40)} 127.0.0.1:${port} ${digit.repeat(39)}A`;

/** The least that a relay can be run with, in lines 1 to 5. */
export const minimal = `nickname = "Zwiebel"
data_dir = "data"
or_port = "127.0.0.1:9101"
test_network = true
authorities = ["${authorityLine("1")}"]
`;

/** Loads a text as the file `relay.toml`; what is wrong with one. */
export const { load, mistakes } = loaderOfTexts("relay.toml", loadConfig);
