import { encodeResponseExtensions, RelayCommand } from "@allium/cell";
import { type AgreedHop, beginNtor, beginNtorV3, type HopHandshake } from "@allium/circuit";
import { fastClientEnd, type HandshakeTarget, keyMaterialLength, tor1 } from "@allium/crypto";
import { create2Body, freshCircId, HostileCircuit, type RelayEvent } from "../circuit.ts";
import type { AskedCircuit } from "../hostile-relay.ts";
import { randomBytes } from "../identity.ts";
import type { LinkPeer } from "../link-peer.ts";
import type { Target } from "../target.ts";
import type { BodyPart, MomentMaker } from "./body.ts";

const MATERIAL = keyMaterialLength(tor1);

/** Without congestion control a SENDME is due after so many cells of the circuit, and so many of a stream (tor-spec 7.3, 7.4). */
const CIRCUIT_INCREMENT = 100;
const STREAM_INCREMENT = 50;

/** What a SENDME looks like. */
export interface SendmeForm {
  readonly parts: ReadonlyArray<BodyPart>;
  readonly early: boolean;
}

/** Those of a circuit, or of a stream. */
interface Sendmes {
  readonly forms: ReadonlyArray<SendmeForm>;
  /** How many the recording has had so far, and how many were sent. */
  said: number;
  sent: number;
}

/** A SENDME to be sent. */
interface DueSendme extends SendmeForm {
  readonly streamId: number;
  /** Of the cell that it is due for. */
  readonly tag: Buffer;
}

/** A recorded circuit that is played: the client's end of it, and that of the next relay. */
export class PlayedCircuit {
  readonly circuit: HostileCircuit;
  /** The circuit that the relay has made from it, at the next one. */
  far: AskedCircuit | undefined = undefined;
  /** What the client sent through the relay, and the next relay too, as it was under the layers of the relay. */
  readonly sentOn: Array<Buffer> = [];
  readonly sentBack: Array<Buffer> = [];
  /** Tags of the DATA cells that the client has sent. */
  readonly sentTags: Array<Buffer> = [];
  /** The bodies of EXTEND2 and of CREATED2, which the relay has to pass on as they are. */
  extend: Buffer | undefined = undefined;
  created2: Buffer | undefined = undefined;
  /** Streams that still had something to come when the client sent XON. */
  readonly held = new Set<number>();
  /** The peer has ended it. */
  left = false;
  agreed: AgreedHop | undefined = undefined;
  private readonly target: HandshakeTarget;
  private finish: ((reply: Buffer) => AgreedHop) | undefined;
  private readonly sendmes = new Map<number, Sendmes>();

  constructor(peer: LinkPeer, target: Target) {
    this.circuit = new HostileCircuit(peer, freshCircId());
    this.target = { rsaIdentity: target.rsaId, ed25519Identity: target.ed25519Id, onionKey: target.onionKey };
  }

  /** Makes the client's half of a handshake; anything else is made by `make`. */
  readonly create: (make: MomentMaker) => MomentMaker = (make) => (name, args) => {
    switch (name) {
      case "random": {
        const secret = make(name, args);
        this.finish = (reply) => ({
          material: fastClientEnd(secret, reply.subarray(0, 40), MATERIAL),
          sendmeInc: undefined,
          extensions: [],
        });
        return secret;
      }
      case "ntor":
        return this.begin(beginNtor(this.target, randomBytes(32)));
      case "ntor-v3":
        return this.begin(beginNtorV3(this.target, randomBytes(32), Buffer.from(args[0] ?? "", "hex")));
      default:
        return make(name, args);
    }
  };

  private begin({ type, request, finish }: HopHandshake<number>): Buffer {
    this.finish = (reply) => finish(hdata(reply));
    return create2Body(type, request);
  }

  /** Takes the relay's half, once it is there. */
  open(): void {
    const { created } = this.circuit;
    if (this.agreed !== undefined || created === undefined || this.finish === undefined) return;
    this.agreed = this.finish(created);
    this.circuit.addHop(this.agreed.material);
  }

  /** Messages of the relay itself, in the order of their coming. */
  get events(): ReadonlyArray<RelayEvent> {
    return this.circuit.events.filter(({ hop }) => hop >= 0);
  }

  /** What the next relay sent through the relay, as it was. */
  get cameBack(): ReadonlyArray<Buffer> {
    return this.circuit.events.filter(({ hop }) => hop < 0).map(({ body }) => body);
  }

  /** All bytes that came on a stream. */
  dataOf(streamId: number): Buffer {
    return Buffer.concat(
      this.events
        .filter((event) => event.streamId === streamId && event.command === RelayCommand.DATA)
        .map(({ body }) => body),
    );
  }

  /** Whether there are streams that the relay has not ended. */
  get hasStreams(): boolean {
    const streamsWith = (command: number): ReadonlyArray<number> =>
      this.events.filter((event) => event.command === command).map(({ streamId }) => streamId);
    const ended = new Set(streamsWith(RelayCommand.END));
    return streamsWith(RelayCommand.CONNECTED).some((streamId) => !ended.has(streamId));
  }

  /** After how many cells of the circuit a SENDME is due. */
  get increment(): number {
    return this.agreed?.sendmeInc ?? CIRCUIT_INCREMENT;
  }

  /** Whether the relay has ended a stream. */
  isEnded(streamId: number): boolean {
    return this.events.some((event) => event.streamId === streamId && event.command === RelayCommand.END);
  }

  /** The client sends SENDMEs, of the circuit or of a stream, that look like these. */
  willSendmes(streamId: number, forms: ReadonlyArray<SendmeForm>): void {
    this.sendmes.set(streamId, { forms, said: 0, sent: 0 });
  }

  /** The recording has another SENDME here. */
  saySendme(streamId: number): void {
    const flow = this.sendmes.get(streamId);
    if (flow !== undefined) flow.said += 1;
  }

  /** Whether all SENDMEs have been sent that the recording has up to here. */
  hasSentSendmes(streamId: number): boolean {
    const flow = this.sendmes.get(streamId);
    return flow === undefined || flow.sent >= flow.said;
  }

  /** The SENDMEs that are due and have not been sent. Those beyond the recording are like its last one, in RELAY cells. */
  takeDue(): ReadonlyArray<DueSendme> {
    const due: Array<DueSendme> = [];
    for (const [streamId, flow] of this.sendmes) {
      const every = streamId === 0 ? this.increment : STREAM_INCREMENT;
      const data = this.events.filter(
        (event) => event.command === RelayCommand.DATA && (streamId === 0 || event.streamId === streamId),
      );
      for (; flow.sent < Math.floor(data.length / every); flow.sent++) {
        const tag = data[(flow.sent + 1) * every - 1]?.tag ?? Buffer.alloc(0);
        const form = flow.forms[flow.sent] ?? { parts: flow.forms.at(-1)?.parts ?? [], early: false };
        due.push({ ...form, streamId, tag });
      }
    }
    return due;
  }

  /** Encrypts what nobody but a hop behind the relay can read: noise is as good. */
  passOn(noise: Buffer): Buffer {
    this.sentOn.push(Buffer.from(noise));
    return this.circuit.crypto.outbound.encrypt(noise, 1, 0);
  }

  /** What was agreed in the handshake, as reports have it. */
  describeAgreed(): string {
    const { agreed } = this;
    if (agreed === undefined) return "";
    const known = agreed.extensions.filter((extension) => extension._tag === "CC_RESPONSE");
    return encodeResponseExtensions(known).toString("hex");
  }
}

/** HDATA of a CREATED2. */
const hdata = (body: Buffer): Buffer => body.subarray(2, 2 + body.readUInt16BE(0));
