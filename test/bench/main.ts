/**
 * The figures of `docs/measurements.md`: benchmarks of the packages in one process, then Allium's relay and `tor`'s in one
 * network and one run. Says how much else the machine was doing.
 *
 *     npm run bench                    the packages, then the relay beside `tor`
 *     npm run bench -- --only relay    one of `packages`, `relay`, `load`, `soak`
 *     npm run bench -- --bytes 60000000 --rounds 3 --circuits 2000
 *
 * Three more, each for itself:
 *
 *     npm run bench -- --only load --idle 1000 --seconds 20     the relay beside `tor` with 1, 10 and 100 streams, and latency beside bulk
 *     npm run bench -- --only soak --minutes 30                 mixed load; fails when something grew or arrived changed
 *     npm run bench -- --profile [--perf] [--streams 1]         where the time of a cell goes (docs/where-time-goes.md)
 *
 * Allium's client beside `tor`'s, about four minutes:
 *
 *     npm run bench -- --client --bytes 20000000 --rounds 3 --circuits 200 --starts 5
 *     npm run bench -- --client --only cpu,bootstrap            some of cpu, goodput, bootstrap, memory, circuits, requests
 *     npm run bench -- --client --profile [--perf]              where the time of Allium's client goes
 *
 * Conflux, `tor`'s and Allium's at either end in all combinations, with two legs and with one, about 20 minutes:
 *
 *     npm run bench -- --conflux --bytes 60000000 --rounds 3
 *     npm run bench -- --conflux --only lines,first-byte        some of goodput, lines, first-byte, memory
 *     npm run bench -- --conflux --profile                      where the time of Allium's exit goes, with two legs and with one
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { INSTALL_TOR, missingTor } from "../network/index.ts";
import { type AlliumBench, startAlliumBench } from "./allium-bench.ts";
import { benchClient, benchClientProfile, CLIENT_PIECES, type ClientPiece } from "./client/client-bench.ts";
import { benchConflux, benchConfluxProfile, CONFLUX_PIECES, type ConfluxPiece } from "./conflux/conflux-bench.ts";
import { formatLoad, measureLoad } from "./load.ts";
import { echoClient, formatLoadedLatency, type LoadedLatency, measureLoadedLatency } from "./load-latency.ts";
import { formatProfiles, profileRelay } from "./profile.ts";
import { soakRelay } from "./soak.ts";
import { type Position, type RelayUnderTest, YOUNG_GENERATION } from "./support.ts";
import { formatFigures, measureRelays, torAt } from "./tor-baseline.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    client: { type: "boolean", default: false },
    conflux: { type: "boolean", default: false },
    bytes: { type: "string" },
    rounds: { type: "string", default: "3" },
    circuits: { type: "string" },
    starts: { type: "string", default: "5" },
    idle: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    minutes: { type: "string", default: "30" },
    streams: { type: "string", default: "1" },
    profile: { type: "boolean", default: false },
    perf: { type: "boolean", default: false },
  },
});

const say = (text: string): void => console.error(text);

const bytes = Number(values.bytes ?? (values.client ? 20_000_000 : 60_000_000));
const circuits = Number(values.circuits ?? (values.client ? 200 : 2000));
const rounds = Number(values.rounds);

const benchPackages = (): void => {
  for (const file of globSync("packages/*/bench/*.bench.ts").sort()) {
    console.log(`\n== ${file}\n`);
    const run = spawnSync(process.execPath, ["--expose-gc", ...YOUNG_GENERATION, file], { stdio: "inherit" });
    if (run.status !== 0) process.exitCode = 1;
  }
};

/** Allium's relay, and the `tor` daemon at the same position beside it. */
const bothAt =
  (bench: AlliumBench) =>
  (position: Position): ReadonlyArray<RelayUnderTest> => [bench.relay, torAt(bench)(position)];

const loadSince = (before: number): string =>
  `Load before: ${before.toFixed(2)}, after: ${(loadavg()[0] ?? 0).toFixed(2)}`;

/** Says how busy the machine was; to be called with its load average at the start. */
const sayLoad = (before: number): void =>
  console.log(`\n${loadSince(before)}; the median of ${rounds} times ${bytes / 1e6} MB each way.`);

/** One run: Allium's relay at each position, then `tor` at the same, in the same network. */
const benchRelay = async (): Promise<void> => {
  await using bench = await startAlliumBench({ onProgress: say });
  const options = { bytes, rounds, circuits, onProgress: say };
  const before = loadavg()[0] ?? 0;
  const figures = await bench.allium.whileRunning(measureRelays(bench, bothAt(bench), options));
  console.log(`\n${formatFigures(figures)}`);
  sayLoad(before);
};

const LOADED_POSITIONS: ReadonlyArray<Position> = ["exit", "middle"];

/** The same under load: more streams, idle circuits beside them, small messages beside bulk. */
const benchLoad = async (): Promise<void> => {
  await using bench = await startAlliumBench({ clients: 2, metrics: true, onProgress: say });
  const { allium, relay, network } = bench;
  const before = loadavg()[0] ?? 0;
  const measure = async (): Promise<void> => {
    const figures = await measureLoad(bench, bothAt(bench), {
      positions: LOADED_POSITIONS,
      streams: [1, 10, 100],
      idle: [0, Number(values.idle)],
      bytes,
      rounds,
      onProgress: say,
    });
    console.log(`\n${formatLoad(figures)}`);
    const echo = await echoClient(bench, network.clients[1]!);
    const latencies: Array<LoadedLatency> = [];
    for (const position of LOADED_POSITIONS) {
      for (const one of bothAt(bench)(position)) {
        say(`${one.nickname} as ${position}: echoes beside bulk`);
        const metricsPort = one === relay ? allium.metricsPort : undefined;
        const seconds = Number(values.seconds);
        latencies.push(await measureLoadedLatency(bench, echo, one, position, { seconds, metricsPort }));
      }
    }
    console.log(`\nEchoes of 500 B beside 10 bulk streams each way:\n\n${formatLoadedLatency(latencies)}`);
  };
  await allium.whileRunning(measure());
  sayLoad(before);
};

const benchSoak = async (): Promise<void> => {
  const minutes = Number(values.minutes);
  if (!(await soakRelay(minutes, (line) => console.log(line), say))) process.exitCode = 1;
};

const benchProfile = async (): Promise<void> => {
  const { perf } = values;
  const options = { bytes, streams: Number(values.streams), perf, onProgress: say };
  const profiles = await profileRelay(options);
  console.log(`\n${formatProfiles(profiles, perf)}`);
  console.log(
    `\nOf ${bytes / 1e6} MB in ${values.streams} stream(s); processor time without the profiler, shares with it. ` +
      (perf
        ? "All threads; a function that V8 has inlined counts to its caller."
        : '"below JavaScript" is what runs without a script: reads of sockets, TLS decryption, the event loop.'),
  );
};

/** Whether there is a `tor` to measure beside; says how to get one. */
const torIsThere = (): boolean => {
  if (missingTor().length === 0) return true;
  console.error(`No tor to measure beside: ${INSTALL_TOR}`);
  process.exitCode = 1;
  return false;
};

const inNetwork: Readonly<Record<string, () => Promise<void>>> = {
  relay: benchRelay,
  load: benchLoad,
  soak: benchSoak,
  profile: benchProfile,
};

/** Those pieces that `--only` names; undefined for a name that is not known. */
const piecesOf = <Piece extends string>(all: ReadonlyArray<Piece>): ReadonlySet<Piece> | undefined => {
  const names = values.only?.split(",") ?? all;
  const pieces = new Set(all.filter((piece) => names.includes(piece)));
  return pieces.size === new Set(names).size ? pieces : undefined;
};

const print = (text: string): void => console.log(text);

const benchClients = async (pieces: ReadonlySet<ClientPiece>): Promise<void> => {
  if (values.profile) {
    const { perf } = values;
    await benchClientProfile({ bytes, streams: Number(values.streams), circuits, perf, onProgress: say }, print);
    return;
  }
  const before = loadavg()[0] ?? 0;
  await benchClient(pieces, { bytes, rounds, circuits, starts: Number(values.starts) }, print, say);
  print(`${loadSince(before)}.`);
};

const benchLegs = async (pieces: ReadonlySet<ConfluxPiece>): Promise<void> => {
  if (values.profile) {
    await benchConfluxProfile({ bytes, onProgress: say }, print);
    return;
  }
  const before = loadavg()[0] ?? 0;
  await benchConflux(pieces, { bytes, rounds }, print, say);
  print(`${loadSince(before)}.`);
};

/** Measures some of all pieces: those that are asked for, if there are such. */
const benchPieces = async <Piece extends string>(
  all: ReadonlyArray<Piece>,
  measure: (pieces: ReadonlySet<Piece>) => Promise<void>,
): Promise<void> => {
  const pieces = piecesOf(all);
  if (pieces === undefined) {
    console.error(`--only ${values.only}: some of ${all.join(", ")}`);
    process.exitCode = 2;
  } else if (torIsThere()) await measure(pieces);
};

const wanted = values.profile ? "profile" : (values.only ?? "relay");
if (values.conflux) await benchPieces(CONFLUX_PIECES, benchLegs);
else if (values.client) await benchPieces(CLIENT_PIECES, benchClients);
else if (wanted !== "packages" && inNetwork[wanted] === undefined) {
  console.error(`--only ${wanted}: one of packages, ${Object.keys(inNetwork).join(", ")}`);
  process.exitCode = 2;
} else {
  if (wanted === "packages" || (values.only === undefined && !values.profile)) benchPackages();
  if (wanted !== "packages" && torIsThere()) await inNetwork[wanted]?.();
}
