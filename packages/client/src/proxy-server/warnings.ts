import { QuietLog } from "@allium/kernel";
import { Clock, Effect } from "effect";
import { PROXY_LOG_MILLIS } from "./limits.ts";

// What the log says of a port, each at most once in PROXY_LOG_MILLIS, with how often it has happened. Never where to.
const messages = {
  addresses: [
    "warn",
    "an application asks for addresses, not names: it may have asked for them outside of the tunnel. Have it hand names over, as by SOCKS4a or by SOCKS5 with names (in curl: socks5h)",
  ],
  authorization: [
    "warn",
    "an application isolates its streams by a Proxy-Authorization whose user is neither tor nor tor-iso: later versions may refuse it",
  ],
  crowded: ["warn", "too many applications are connected to the proxy port: further ones are refused"],
  negotiations: ["warn", "too many applications are connected that do not say what they want: the oldest is given up"],
  silent: ["info", "an application did not say in time what it wants"],
  protocol: ["info", "an application does not keep to SOCKS or HTTP CONNECT, or asks for what is not provided"],
  queries: ["warn", "too many questions of the DNS port are under way: further ones are not answered"],
  dns: ["info", "an application does not keep to DNS"],
} as const satisfies Readonly<Record<string, readonly [level: "warn" | "info", text: string]>>;

/** What there is to be said. */
export type ProxyWarning = keyof typeof messages;

/** Says something, unless it was said a short time ago. It does not block. */
export type ProxyWarnings = (warning: ProxyWarning, detail?: string) => void;

/** Makes the log of a port, with the logger and the clock that there are. */
export const makeWarnings: Effect.Effect<ProxyWarnings> = Effect.gen(function* () {
  const context = yield* Effect.context<never>();
  const clock = yield* Clock.Clock;
  let detail: string | undefined;
  const quiet = new QuietLog<ProxyWarning>({
    intervalMillis: PROXY_LOG_MILLIS,
    now: () => clock.currentTimeMillisUnsafe(),
    say: (warning, times) => {
      const [level, text] = messages[warning];
      const line = level === "warn" ? Effect.logWarning(text) : Effect.logInfo(text);
      const annotations = { times, ...(detail === undefined ? {} : { detail }) };
      Effect.runForkWith(context)(Effect.annotateLogs(line, annotations));
    },
  });
  return (warning, what) => {
    detail = what;
    quiet.note(warning);
  };
});
