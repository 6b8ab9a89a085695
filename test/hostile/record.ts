/**
 * Records what `tor` says to a relay, in a private network: `node test/hostile/record.ts [name...]` writes
 * `test/hostile/recording/fixtures/*.json` anew, all of them or those that are named. They are played by `test/interop/recorded-peers.test.ts`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { ChannelCommand } from "@allium/cell";
import { eventually, requireProgram, TorNetwork } from "../network/index.ts";
import { directoryMoments, directoryNames } from "./recording/directory-names.ts";
import { RECORDINGS, renderRecording } from "./recording/recording.ts";
import { type RecordingStage, scenarios, toExit } from "./recording/scenarios.ts";
import { startTappedIn, type TappedRelay } from "./recording/tapped-relay.ts";
import { circuitsOf, type MomentText, type TapEvent, type TappedCircuits, transcribe } from "./recording/transcribe.ts";

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown.length > 0) throw new TypeError(`nothing is called ${unknown.join(", ")}`);

const [, tor = ""] =
  /Tor version (\S+?)\.?$/m.exec(execFileSync(requireProgram("tor"), ["--version"], { encoding: "utf8" })) ?? [];

let allium: TappedRelay | undefined;
await using network = await TorNetwork.start({
  relays: 2,
  // For clients whose guard is the relay that is recorded: it cannot be their exit too.
  exits: 1,
  clients: 0,
  consensusParams: { cfx_enabled: 0 },
  voting: { firstAfter: 12 },
  onProgress: ({ seconds, text }) => console.log(`${seconds.toFixed(0).padStart(3)} s  ${text}`),
  beside: async (starting) => {
    allium = await startTappedIn(starting);
  },
});
const relay = allium!;
await network.waitForConsensus("allium", { flags: ["Running", "Valid", "Exit"] });
// It serves no streams from relays that it does not know.
const others = network.authorities.length + network.relays.length + network.exits.length;
const known = () => relay.relay.directory.current().consensus?.routers.length ?? 0;
await eventually(`allium to know ${others} relays`, () => known() > others, { timeoutMs: 75_000 });
network.names.setHost("recorded.test", "198.51.100.7");

const origin = await network.localOrigin();
const refused = await network.ports.take();
const stage: RecordingStage = {
  network,
  allium: relay,
  origin,
  refused,
  client: await network.addClient({ extraTorrc: toExit(network, relay) }),
};

const texts = async (): Promise<ReadonlyArray<MomentText>> => {
  const consensus = await network.authorities[0]!.control.getInfo("dir/status-vote/current/consensus-microdesc");
  return [
    { text: `:${origin.port}`, moment: "port origin" },
    { text: `:${refused}`, moment: "port refused" },
    { text: `:${relay.target.port}`, moment: "port relay" },
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

mkdirSync(RECORDINGS, { recursive: true });
for (const { name, title, peer, prepare, run, wants = () => true } of scenarios) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const client = prepare === undefined ? stage.client : await prepare(stage);
  const moments = await texts();
  const before = relay.tap.events.length;
  await run({ ...stage, client });
  const passed = [...relay.tap.events];
  if (client !== stage.client) await client.stop();
  // `tor` makes circuits before it needs them: when they were created does not matter.
  const circuits = circuitsOf(passed).filter(
    (circuit) =>
      circuit.messages.some((message) => passed.indexOf(message) >= before) &&
      wants(circuit) &&
      peerOf(passed, circuit) === peer,
  );
  const link = circuits[0]?.create.link;
  const steps = transcribe(
    passed,
    circuits.filter(({ create }) => create.link === link),
    moments,
  );
  const made = `node test/hostile/record.ts ${name}`;
  writeFileSync(new URL(`${name}.json`, RECORDINGS), renderRecording({ title, tor, made, peer, steps }));
  console.log(`${name}: ${steps.length} steps`);
}
