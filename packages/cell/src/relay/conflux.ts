import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import type {
  ConfluxLegEnded,
  ConfluxLink,
  ConfluxLinked,
  ConfluxLinkedAck,
  ConfluxLinkPayload,
  ConfluxRewind,
  ConfluxSwitch,
} from "./message.ts";

/** The one version of linking. Proposal 329, 2.1. */
const LINK_VERSION = 1;
const NONCE_LENGTH = 32;

/**
 * What is behind LINK and LINKED of an end that offers resumption, or takes the offer, before the number of the leg. Long enough not to be what a later proposal puts there, and
 * whatever else is there is passed over: so `tor` and Arti do with it.
 */
const RESUMPTION = Buffer.from("allium-resumption-1", "latin1");

const readResumption = (reader: ByteReader): Pick<ConfluxLinkPayload, "resumption"> | undefined => {
  if (reader.remaining < RESUMPTION.length + 4 || !reader.take(RESUMPTION.length, "resumption").equals(RESUMPTION))
    return;
  return { resumption: reader.u32("LEG") };
};

const readPayload = (reader: ByteReader): ConfluxLinkPayload => {
  const version = reader.u8("VERSION");
  if (version !== LINK_VERSION) reader.fail("value", `version ${version} is not defined`, 1);
  return {
    nonce: reader.take(NONCE_LENGTH, "NONCE"),
    lastSeqnoSent: reader.u64("LAST_SEQNO_SENT"),
    lastSeqnoReceived: reader.u64("LAST_SEQNO_RECV"),
    desiredUx: reader.u8("DESIRED_UX"),
    ...readResumption(reader),
  };
};

const writePayload = (payload: ConfluxLinkPayload, out: ByteWriter): void => {
  out.u8(LINK_VERSION, "VERSION").fixed(payload.nonce, NONCE_LENGTH, "NONCE");
  out.u64(payload.lastSeqnoSent, "LAST_SEQNO_SENT").u64(payload.lastSeqnoReceived, "LAST_SEQNO_RECV");
  out.u8(payload.desiredUx, "DESIRED_UX");
  if (payload.resumption === undefined) return;
  out.fixed(RESUMPTION, RESUMPTION.length, "resumption").u32(payload.resumption, "LEG");
};

export const readConfluxLink = (reader: ByteReader): ConfluxLink => ({ _tag: "CONFLUX_LINK", ...readPayload(reader) });

export const writeConfluxLink: (message: ConfluxLink, out: ByteWriter) => void = writePayload;

export const readConfluxLinked = (reader: ByteReader): ConfluxLinked => ({
  _tag: "CONFLUX_LINKED",
  ...readPayload(reader),
});

export const writeConfluxLinked: (message: ConfluxLinked, out: ByteWriter) => void = writePayload;

export const readConfluxLinkedAck = (): ConfluxLinkedAck => ({ _tag: "CONFLUX_LINKED_ACK" });

export const writeConfluxLinkedAck = (): void => {};

export const readConfluxSwitch = (reader: ByteReader): ConfluxSwitch => ({
  _tag: "CONFLUX_SWITCH",
  relativeSeqno: reader.u32("SeqNum"),
});

export const readConfluxRewind = (reader: ByteReader): ConfluxRewind => ({
  _tag: "CONFLUX_REWIND",
  lastSeqno: reader.u64("LAST_SEQNO"),
});

export const writeConfluxRewind = (message: ConfluxRewind, out: ByteWriter): void => {
  out.u64(message.lastSeqno, "LAST_SEQNO");
};

export const readConfluxLegEnded = (reader: ByteReader): ConfluxLegEnded => ({
  _tag: "CONFLUX_LEG_ENDED",
  leg: reader.u32("LEG"),
});

export const writeConfluxLegEnded = (message: ConfluxLegEnded, out: ByteWriter): void => {
  out.u32(message.leg, "LEG");
};

export const writeConfluxSwitch = (message: ConfluxSwitch, out: ByteWriter): void => {
  out.u32(message.relativeSeqno, "SeqNum");
};
