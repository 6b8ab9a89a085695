/**
 * Records what `tor` says to a relay, in private networks: `node test/hostile/record.ts [name...]` writes
 * `test/hostile/recording/fixtures/*.json` anew, all of them or those that are named. They are played by `test/interop/recorded-peers.test.ts`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { ChannelCommand } from "@allium/cell";
import { eventually, requireProgram, TorNetwork } from "../network/index.ts";
import { directoryMoments, directoryNames } from "./recording/directory-names.ts";
import { RECORDINGS, type RecordedStep, renderRecording } from "./recording/recording.ts";
import { type RecordingStage, type Scenario, scenarios, toExit } from "./recording/scenarios.ts";
import { startTappedIn, type TappedRelay } from "./recording/tapped-relay.ts";
import { circuitsOf, type MomentText, type TapEvent, type TappedCircuits, transcribe } from "./recording/transcribe.ts";

/** Everything in a network whose relays and clients agree on these parameters. */
const setStage = async (consensusParams: Readonly<Record<string, number>>): Promise<RecordingStage> => {
  let started: TappedRelay | undefined;
  const network = await TorNetwork.start({
    relays: 2,
    // For clients whose guard is the relay that is recorded: it cannot be their exit too.
    exits: 1,
    clients: 0,
    consensusParams: { cfx_enabled: 0, ...consensusParams },
    voting: { firstAfter: 12 },
    onProgress: ({ seconds, text }) => console.log(`${seconds.toFixed(0).padStart(3)} s  ${text}`),
    beside: async (starting) => {
      started = await startTappedIn(starting);
    },
  });
  const allium = started!;
  await network.waitForConsensus("allium", { flags: ["Running", "Valid", "Exit"] });
  // It serves no streams from relays that it does not know.
  const others = network.authorities.length + network.relays.length + network.exits.length;
  const known = () => allium.relay.directory.current().consensus?.routers.length ?? 0;
  await eventually(`allium to know ${others} relays`, () => known() > others, { timeoutMs: 75_000 });
  network.names.setHost("recorded.test", "198.51.100.7");
  const origin = await network.localOrigin();
  const refused = await network.ports.take();
  const client = await network.addClient({ extraTorrc: toExit(network, allium) });
  return { network, allium, origin, refused, client };
};

/** What in bodies is of this network. */
const momentTexts = async ({
  network,
  allium,
  origin,
  refused,
}: RecordingStage): Promise<ReadonlyArray<MomentText>> => {
  const consensus = await network.authorities[0]!.control.getInfo("dir/status-vote/current/consensus-microdesc");
  return [
    { text: `:${origin.port}`, moment: "port origin" },
    { text: `:${refused}`, moment: "port refused" },
    { text: `:${allium.target.port}`, moment: "port relay" },
    ...directoryMoments(directoryNames(consensus)),
  ];
};

/** Who is on the other side of a circuit's link. Relays ask for documents too, by CREATE_FAST: nobody who is recorded. */
const peerOf = (events: ReadonlyArray<TapEvent>, { create }: TappedCircuits): "client" | "relay" | undefined => {
  const authenticated = events.some(
    (event) => event.link === create.link && event.direction === "in" && event.command === ChannelCommand.AUTHENTICATE,
  );
  if (!authenticated) return "client";
  return create.command === ChannelCommand.CREATE2 ? "relay" : undefined;
};

/** Has `tor` do something, and writes down what passes. */
const record = async (
  stage: RecordingStage,
  { peer, prepare, run, wants = () => true }: Scenario,
): Promise<ReadonlyArray<RecordedStep>> => {
  const { tap } = stage.allium;
  const client = prepare === undefined ? stage.client : await prepare(stage);
  const moments = await momentTexts(stage);
  const before = tap.events.length;
  await run({ ...stage, client });
  const passed = [...tap.events];
  if (client !== stage.client) await client.stop();
  // `tor` makes circuits before it needs them: when they were created does not matter.
  const circuits = circuitsOf(passed).filter(
    (circuit) =>
      circuit.messages.some((message) => passed.indexOf(message) >= before) &&
      wants(circuit) &&
      peerOf(passed, circuit) === peer,
  );
  const link = circuits[0]?.create.link;
  return transcribe(
    passed,
    circuits.filter(({ create }) => create.link === link),
    moments,
  );
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown.length > 0) throw new TypeError(`nothing is called ${unknown.join(", ")}`);
const chosen = scenarios.filter(({ name }) => wanted.length === 0 || wanted.includes(name));

const [, tor = ""] =
  /Tor version (\S+?)\.?$/m.exec(execFileSync(requireProgram("tor"), ["--version"], { encoding: "utf8" })) ?? [];
mkdirSync(RECORDINGS, { recursive: true });

const TODAY = {};

for (const [params, those] of Map.groupBy(chosen, ({ params = TODAY }) => params)) {
  const stage = await setStage(params);
  await using _ = stage.network;
  for (const scenario of those) {
    const steps = await record(stage, scenario);
    const { name, title, peer } = scenario;
    const made = `node test/hostile/record.ts ${name}`;
    writeFileSync(new URL(`${name}.json`, RECORDINGS), renderRecording({ title, tor, made, peer, steps }));
    console.log(`${name}: ${steps.length} steps`);
  }
}
