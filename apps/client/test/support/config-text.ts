import { loaderOfTexts } from "../../../../test/support/config-text.ts";
import { loadConfig } from "../../src/config/load.ts";

/** A line that names an authority. Nobody listens there. */
export const authorityLine = (digit: string, port = 1): string =>
  `DirAuthority auth${digit} orport=1 no-v2 v3ident=${digit.repeat(40)} 127.0.0.1:${port} ${digit.repeat(39)}A`;

/** The least that a client can be run with, in lines 1 to 4. */
export const minimal = `data_dir = "data"
socks_listen = "127.0.0.1:9150"
test_network = true
authorities = ["${authorityLine("1")}"]
`;

/** Loads a text as the file `client.toml`; what is wrong with one. */
export const { load, mistakes } = loaderOfTexts("client.toml", loadConfig);
