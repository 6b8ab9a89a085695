import { makeProxyServer } from "@allium/client";
import { Effect } from "effect";

/** Serves applications until the scope closes: SOCKS4a, SOCKS5 and HTTP CONNECT on one port. */
export const serveApplications = Effect.gen(function* () {
  const proxy = yield* makeProxyServer({
    // No two names share a circuit.
    listeners: [{ listen: { host: "127.0.0.1", port: 9150 }, isolation: { destination: true } }],
  });
  // Before it ends: nobody new, and ten seconds for those who are there.
  yield* Effect.addFinalizer(() => Effect.timeoutOption(proxy.drain, "10 seconds"));
  return proxy;
});
