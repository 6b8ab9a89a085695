import { type IpAddress, parseIp } from "@allium/cell";
import { Duration, Effect, Layer } from "effect";
import { ResolveError, Resolver } from "./resolver.ts";

/** How name servers fail. */
const FAILURES = {
  transient: { transient: true, code: "ESERVFAIL" },
  permanent: { transient: false, code: "EREFUSED" },
} as const;

type Answer =
  | { readonly _tag: "Addresses"; readonly addresses: ReadonlyArray<IpAddress>; readonly ttl: number }
  | { readonly _tag: "HostName"; readonly name: string; readonly ttl: number | undefined }
  | { readonly _tag: "Failure"; readonly kind: keyof typeof FAILURES }
  | { readonly _tag: "Silence" };

/** A name server in memory, for tests and simulations. Names that nobody has set do not exist. */
export interface MemoryResolver {
  readonly layer: Layer.Layer<Resolver>;
  /** Sets all the addresses of a name, of either family, in their order. */
  readonly setAddresses: (name: string, addresses: ReadonlyArray<string>, ttl?: number) => void;
  /** Sets the name of an address. */
  readonly setHostName: (address: string, name: string, ttl?: number) => void;
  /** Makes a name (or an address) fail. */
  readonly setFailure: (query: string, kind: keyof typeof FAILURES) => void;
  /** Makes questions about a name (or an address) stay without an answer. */
  readonly setSilent: (query: string) => void;
  /** How long answers take from now on. */
  readonly setLatency: (latency: Duration.Input) => void;
  /** All questions so far, such as `A example.com` or `PTR 192.0.2.1`. */
  readonly questions: ReadonlyArray<string>;
}

/** Makes a name server that knows nothing yet. */
export const make = (): MemoryResolver => {
  const answers = new Map<string, Answer>();
  const questions: Array<string> = [];
  let latency = Duration.zero;

  const ask = <A>(type: string, query: string, pick: (answer: Answer) => A | undefined) =>
    Effect.gen(function* () {
      questions.push(`${type} ${query}`);
      yield* Effect.sleep(latency);
      const answer = answers.get(query);
      if (answer === undefined) return yield* new ResolveError({ query, transient: false, code: "ENOTFOUND" });
      if (answer._tag === "Silence") return yield* Effect.never;
      if (answer._tag === "Failure") return yield* new ResolveError({ query, ...FAILURES[answer.kind] });
      const picked = pick(answer);
      return picked ?? (yield* new ResolveError({ query, transient: false, code: "ENODATA" }));
    });

  return {
    layer: Layer.succeed(
      Resolver,
      Resolver.of({
        resolve: (name, family) =>
          ask(family === 4 ? "A" : "AAAA", name, (answer) => {
            if (answer._tag !== "Addresses") return undefined;
            const [first, ...rest] = answer.addresses.filter((address) => address.family === family);
            return first && { addresses: [first, ...rest], ttl: answer.ttl };
          }),
        reverse: (address) =>
          ask("PTR", address.address, (answer) => (answer._tag === "HostName" ? answer : undefined)),
      }),
    ),
    setAddresses: (name, addresses, ttl = DEFAULT_TTL) => {
      answers.set(name, { _tag: "Addresses", addresses: addresses.flatMap((text) => parseIp(text) ?? []), ttl });
    },
    setHostName: (address, name, ttl) => answers.set(address, { _tag: "HostName", name, ttl }),
    setFailure: (query, kind) => answers.set(query, { _tag: "Failure", kind }),
    setSilent: (query) => answers.set(query, { _tag: "Silence" }),
    setLatency: (input) => {
      latency = Duration.fromInputUnsafe(input);
    },
    questions,
  };
};

const DEFAULT_TTL = 3_600;
