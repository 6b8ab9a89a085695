import { readdirSync, readFileSync } from "node:fs";
import { ChannelCommand, RelayCommand } from "@allium/cell";
import { Schema } from "effect";
import { type BodyPart, parseBody } from "./body.ts";
import { RecordingError } from "./error.ts";

const channelCommands = Object.keys(ChannelCommand) as Array<keyof typeof ChannelCommand>;
const relayCommands = Object.keys(RelayCommand) as Array<keyof typeof RelayCommand>;

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff }));

/** Who sent it: the `tor` that is recorded, the relay in the middle, or the `tor` to which that one extended a circuit. */
const From = Schema.Literals(["peer", "relay", "next"]);

/** A cell of a channel. What fills a fixed-length cell up is left out if it is zeros. */
const CellStep = Schema.Struct({
  from: From,
  /** Where the relay sent it, if not to the peer. */
  to: Schema.optionalKey(Schema.Literal("next")),
  cell: Schema.Literals(channelCommands),
  /** Circuits are numbered as they were created. Absent for cells of the channel itself. */
  circuit: Schema.optionalKey(Count),
  /** In the notation of `parseBody`. The relay's are there only where they tell a reason. */
  body: Schema.optionalKey(Schema.String),
});

/** A relay message that the relay could read, or that it sent. */
const MessageStep = Schema.Struct({
  from: From,
  message: Schema.Literals(relayCommands),
  circuit: Count,
  /** 0 or absent: no stream's. */
  stream: Schema.optionalKey(Count),
  /** It came in a RELAY_EARLY cell. */
  early: Schema.optionalKey(Schema.Boolean),
  body: Schema.optionalKey(Schema.String),
  /** For DATA of the relay: so many messages one after the other, with so many bytes in all. */
  times: Schema.optionalKey(Schema.Int),
  bytes: Schema.optionalKey(Schema.Int),
});

/** The connection was closed. */
const CloseStep = Schema.Struct({ from: Schema.Literals(["peer", "next"]), closes: Schema.Literal(true) });

const Step = Schema.Union([CellStep, MessageStep, CloseStep]);

const RecordingFile = Schema.Struct({
  /** What happens. */
  title: Schema.String,
  /** The version of `tor` that was recorded. */
  tor: Schema.String,
  /** The command that made it. */
  made: Schema.String,
  /** Whether the peer is a client or a relay, which has authenticated. */
  peer: Schema.Literals(["client", "relay"]),
  steps: Schema.Array(Step).check(Schema.isMinLength(1)),
});

/** What `tor` sent to a relay, and roughly what that one answered, in the order in which the relay sent and received it. */
export type Recording = typeof RecordingFile.Type;

export type RecordedCell = typeof CellStep.Type;
export type RecordedMessage = typeof MessageStep.Type;
export type RecordedStep = typeof Step.Type;

/** The parts of a step's body. @throws RecordingError */
export const bodyOf = (step: RecordedCell | RecordedMessage, where: string): ReadonlyArray<BodyPart> =>
  parseBody(step.body ?? "", where);

const decode = Schema.decodeUnknownSync(RecordingFile, { onExcessProperty: "error" });

const CREATES: ReadonlySet<string> = new Set(["CREATE", "CREATE2", "CREATE_FAST"]);

/**
 * Reads a recording. Everything that a player relies on is checked here: bodies are understood, and circuits are created before
 * they are used.
 *
 * @throws RecordingError
 */
export const parseRecording = (text: string, where: string): Recording => {
  let recording: Recording;
  try {
    recording = decode(JSON.parse(text));
  } catch (error) {
    throw new RecordingError(where, error instanceof Error ? error.message : String(error));
  }
  const circuits = new Set<number>();
  recording.steps.forEach((step, index) => {
    const at = `${where}, step ${index + 1}`;
    if ("closes" in step) return;
    bodyOf(step, at);
    if (step.circuit === undefined) return;
    if ("cell" in step && step.from === "peer" && CREATES.has(step.cell)) circuits.add(step.circuit);
    else if (!circuits.has(step.circuit)) throw new RecordingError(at, `circuit ${step.circuit} was not created`);
  });
  return recording;
};

/** Writes a recording, one step a line: they are read by people, and compared by their lines. */
export const renderRecording = ({ steps, ...head }: Recording): string => {
  const fields = Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},\n`);
  return `{\n${fields.join("")}  "steps": [\n${steps.map((step) => `    ${JSON.stringify(step)}`).join(",\n")}\n  ]\n}\n`;
};

/** Where recordings are. */
export const RECORDINGS = new URL("fixtures/", import.meta.url);

/** All recordings that there are, by the names of their files without `.json`. @throws RecordingError */
export const readRecordings = (): ReadonlyMap<string, Recording> =>
  new Map(
    readdirSync(RECORDINGS)
      .filter((file) => file.endsWith(".json"))
      .sort()
      .map((file) => [file.slice(0, -5), parseRecording(readFileSync(new URL(file, RECORDINGS), "utf8"), file)]),
  );
