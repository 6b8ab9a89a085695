import { ChannelCommand, RelayCommand } from "@allium/cell";
import { create, createFirst, type HostileCircuit } from "../circuit.ts";
import { authenticateCell } from "../handshake.ts";
import { HostileRelay } from "../hostile-relay.ts";
import type { HostileIdentity } from "../identity.ts";
import { LinkPeer, rawCell, variableCell } from "../link-peer.ts";
import { isServed } from "../stage.ts";
import type { Target } from "../target.ts";
import { describePlayed } from "./answers.ts";
import { fillBody, type MomentMaker } from "./body.ts";
import type { DirectoryNames } from "./directory-names.ts";
import { Expectations } from "./expectations.ts";
import { momentMaker } from "./moments.ts";
import { PlayedCircuit, type SendmeForm } from "./played-circuit.ts";
import { bodyOf, type RecordedCell, type RecordedMessage, type Recording } from "./recording.ts";

/** What a recording is played in. */
export interface PlayArena {
  /** The relay that it is played to. */
  readonly target: Target;
  /** Whom the peer is if it is a relay. */
  readonly identity: HostileIdentity;
  /** Where recorded streams lead: `origin`, and `refused` where nobody listens. */
  readonly ports: Readonly<Record<string, number>>;
  readonly names: DirectoryNames;
  readonly freePort: () => Promise<number>;
}

/** Cells of variable length. */
const isVariable = (command: number): boolean => command >= 128;

/** A variable-length cell's body begins behind circuit ID, command and length. */
const VARIABLE_HEADER = 7;

/** A recording that is being played. */
export class Playback {
  readonly recording: Recording;
  readonly arena: PlayArena;
  readonly peer: LinkPeer;
  readonly next: HostileRelay;
  readonly circuits = new Map<number, PlayedCircuit>();
  /** A circuit of the same link, which has nothing to do with what is played. */
  neighbour: HostileCircuit | undefined = undefined;
  /** Whether circuits, and the neighbour, were served when all was over. */
  readonly served = new Map<PlayedCircuit, boolean>();
  neighbourServed = false;
  private readonly make: MomentMaker;
  private readonly expectations: Expectations;

  constructor(recording: Recording, arena: PlayArena, peer: LinkPeer, next: HostileRelay, unreachable: Target) {
    this.recording = recording;
    this.arena = arena;
    this.peer = peer;
    this.next = next;
    this.expectations = new Expectations(this);
    // Who was not reached when it was recorded is not reached now.
    const reached = recording.steps.some((step) => "cell" in step && step.to === "next" && step.cell === "CREATE2");
    const ports = { ...arena.ports, relay: arena.target.port };
    this.make = momentMaker({ ...arena, ports, next: reached ? next.target : unreachable });
  }

  /** Says all that was recorded, each thing when everything has come that had come before it then. */
  async run(): Promise<void> {
    let left = false;
    for (const step of this.recording.steps) {
      if (step.from === "relay") {
        this.expectations.add(step);
        continue;
      }
      // The next relay does its handshake by itself, whenever it is connected to.
      if (step.from === "next" && "cell" in step && step.circuit === undefined) continue;
      await this.expectations.met();
      for (const circuit of this.circuits.values()) circuit.open();
      if (!("closes" in step)) await this.say(step);
      else if (step.from === "next") for (const channel of this.next.channels) channel.destroy();
      else {
        left = true;
        await this.askAround();
        this.peer.destroy();
      }
    }
    await this.expectations.met();
    if (!left) await this.askAround();
  }

  /** The circuit of a step. Recordings are read with care: there is one. */
  circuitOf(step: { readonly circuit?: number }): PlayedCircuit {
    return this.circuits.get(step.circuit ?? 0) as PlayedCircuit;
  }

  private async say(step: RecordedCell | RecordedMessage): Promise<void> {
    if (step.from === "next") this.sayBack(step);
    else if ("cell" in step) await this.sayCell(step);
    else await this.sayMessage(step);
  }

  private async sayCell(step: RecordedCell): Promise<void> {
    const { peer, make } = this;
    const command = ChannelCommand[step.cell];
    const parts = bodyOf(step, step.cell);
    if (command === ChannelCommand.VERSIONS) {
      const body = fillBody(parts, make);
      peer.send(rawCell(0, command, body, body.length, 2));
      return;
    }
    if (step.circuit === undefined) {
      const body = fillBody(parts, (name, args) =>
        name === "authenticate"
          ? authenticateCell(peer, this.arena.identity).subarray(VARIABLE_HEADER)
          : make(name, args),
      );
      peer.send(isVariable(command) ? variableCell(command, body) : rawCell(0, command, body));
      if (command === ChannelCommand.NETINFO) {
        this.neighbour = await (this.recording.peer === "relay" ? create(peer, this.arena.target) : createFirst(peer));
      }
      return;
    }
    switch (command) {
      case ChannelCommand.CREATE:
      case ChannelCommand.CREATE_FAST:
      case ChannelCommand.CREATE2: {
        const circuit = new PlayedCircuit(peer, this.arena.target);
        for (const [streamId, forms] of this.sendmesOf(step.circuit)) circuit.willSendmes(streamId, forms);
        this.circuits.set(step.circuit, circuit);
        peer.sendCell(circuit.circuit.circId, command, fillBody(parts, circuit.create(make)));
        break;
      }
      case ChannelCommand.RELAY:
      case ChannelCommand.RELAY_EARLY: {
        const circuit = this.circuitOf(step);
        peer.sendCell(circuit.circuit.circId, command, circuit.passOn(fillBody(parts, make)));
        break;
      }
      default: {
        const circuit = this.circuitOf(step);
        if (command === ChannelCommand.DESTROY) circuit.left = true;
        peer.sendCell(circuit.circuit.circId, command, fillBody(parts, make));
      }
    }
  }

  private async sayMessage(step: RecordedMessage): Promise<void> {
    const played = this.circuitOf(step);
    const { circuit } = played;
    const { stream = 0, early = false } = step;
    const command = RelayCommand[step.message];
    const parts = bodyOf(step, step.message);
    if (command === RelayCommand.SENDME) {
      played.saySendme(stream);
      this.sendDue();
      await this.expectations.until(() => played.hasSentSendmes(stream), played);
      return;
    }
    if (command === RelayCommand.XON && !played.isEnded(stream)) played.held.add(stream);
    const body = fillBody(parts, this.make);
    circuit.sendBody(command, stream, body, early);
    if (command === RelayCommand.DATA) played.sentTags.push(circuit.crypto.outbound.tag());
    if (command === RelayCommand.EXTEND2) played.extend = body;
  }

  /** All SENDMEs that the client has sent on a circuit when it was recorded, by stream. */
  private sendmesOf(circuit: number): ReadonlyMap<number, ReadonlyArray<SendmeForm>> {
    const all = new Map<number, Array<SendmeForm>>();
    for (const step of this.recording.steps) {
      if (step.from !== "peer" || !("message" in step)) continue;
      const { stream = 0, early = false } = step;
      if (step.message !== "SENDME" || step.circuit !== circuit) continue;
      const forms = all.get(stream) ?? [];
      forms.push({ parts: bodyOf(step, "SENDME"), early });
      all.set(stream, forms);
    }
    return all;
  }

  /**
   * Sends the SENDMEs that are due. They answer cells that come now, cut as they may be: there may be more than there were then,
   * or fewer.
   */
  sendDue(): void {
    for (const played of this.circuits.values()) {
      if (played.left || this.peer.closed) continue;
      for (const { streamId, parts, early, tag } of played.takeDue()) {
        const body = fillBody(parts, (name, args) => (name === "tag" ? tag : this.make(name, args)));
        played.circuit.sendBody(RelayCommand.SENDME, streamId, body, early);
      }
    }
  }

  private sayBack(step: RecordedCell | RecordedMessage): void {
    const played = this.circuitOf(step);
    if (!("cell" in step) || played.far === undefined) return;
    const { peer, circId } = played.far;
    const command = ChannelCommand[step.cell];
    const body = fillBody(bodyOf(step, step.cell), this.make);
    if (command === ChannelCommand.CREATED2) played.created2 = body;
    if (command === ChannelCommand.RELAY) played.sentBack.push(body);
    peer.sendCell(circId, command, body);
  }

  /** Whether everybody who should be is still served. */
  private async askAround(): Promise<void> {
    const { neighbour } = this;
    const circuits = [...this.circuits.values()].filter(
      ({ left, agreed, far }) => !left && agreed !== undefined && far === undefined,
    );
    // Twice: `tor` may keep a DESTROY until the channel has something else to send.
    for (const _ of [1, 2]) {
      const asked = circuits.map(async (played) => {
        const before = this.served.get(played) ?? true;
        this.served.set(played, before && (await isServed(played.circuit)));
      });
      await Promise.all(asked);
      this.neighbourServed = neighbour !== undefined && (await isServed(neighbour));
    }
  }
}

/** The versions that the recorded next relay offered. */
const nextVersions = ({ steps }: Recording): ReadonlyArray<number> | undefined => {
  const step = steps.find((found) => found.from === "next" && "cell" in found && found.cell === "VERSIONS");
  if (step === undefined || !("cell" in step)) return undefined;
  const body = fillBody(bodyOf(step, "VERSIONS"), () => Buffer.alloc(0));
  return Array.from({ length: body.length / 2 }, (_, index) => body.readUInt16BE(2 * index));
};

/** What the recorded next relay said after VERSIONS, in its order. */
const sayNextHandshake = (recording: Recording, arena: PlayArena, identity: HostileIdentity, peer: LinkPeer): void => {
  const make = momentMaker({ ...arena, identity, next: arena.target });
  for (const step of recording.steps) {
    if (step.from !== "next" || !("cell" in step) || step.circuit !== undefined || step.cell === "VERSIONS") continue;
    const command = ChannelCommand[step.cell];
    const body = fillBody(bodyOf(step, step.cell), make);
    peer.send(isVariable(command) ? variableCell(command, body) : rawCell(0, command, body));
  }
};

/**
 * Plays a recording to a relay, with everything made anew that is of one moment, and tells what the relay answered: what came on
 * its link, then circuit by circuit and stream by stream, since those do not wait for each other.
 *
 * @throws RecordingError if this network does not have what the recording is about
 */
export const playRecording = async (recording: Recording, arena: PlayArena): Promise<ReadonlyArray<string>> => {
  const versions = nextVersions(recording);
  await using next = await HostileRelay.start(
    await arena.freePort(),
    versions === undefined
      ? {}
      : { versions, onVersions: (peer, identity) => sayNextHandshake(recording, arena, identity, peer) },
  );
  const peer = await LinkPeer.connect(arena.target.port);
  try {
    const unreachable = { ...next.target, port: await arena.freePort() };
    const playback = new Playback(recording, arena, peer, next, unreachable);
    await playback.run();
    return describePlayed(playback);
  } finally {
    peer.destroy();
  }
};
