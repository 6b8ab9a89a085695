import { deflateSync } from "node:zlib";
import { answer, type Behaviour } from "../../packages/directory/test/support/pretended-directory.ts";
import type { Answering, DirectoryQuestion } from "./directories.ts";

/** Which questions are meant: all that fit all that is said. */
export interface Which {
  readonly asked?: string;
  readonly from?: string;
  readonly port?: DirectoryQuestion["port"];
  /** How the target begins. */
  readonly target?: string;
}

/** Answers some questions so, and the others honestly. */
export const only =
  (which: Which, answering: Answering): Answering =>
  (question, honest) => {
    const { asked, from, port, target } = which;
    const fits =
      (asked === undefined || asked === question.asked) &&
      (from === undefined || from === question.from) &&
      (port === undefined || port === question.port) &&
      (target === undefined || question.target.startsWith(target));
    return fits ? answering(question, honest) : undefined;
  };

const half = (honest: Buffer): Buffer => honest.subarray(0, Math.ceil(honest.length / 2));

/** Half of the answer, and the end. */
export const truncates: Answering = (_, honest) => ({ bytes: half(honest), after: "end" });

/** Half of the answer, and then the connection breaks. */
export const breaksOff: Answering = (_, honest) => ({ bytes: half(honest), after: "reset" });

/** Half of the answer, and then nothing any more. */
export const stallsHalfway: Answering = (_, honest) => ({ bytes: half(honest), after: "stall" });

/** Not a byte. */
export const saysNothing: Answering = () => ({ bytes: Buffer.alloc(0), after: "stall" });

/** It does not have it. */
export const hasNothing: Answering = () => answer("", { status: "404 Not found" });

/** It has no time. */
export const isBusy: Answering = () => answer("", { status: "503 Directory busy, try again later" });

/** Another document of the same length: one bit in the middle of the body is another. */
export const flipsABit: Answering = (_, honest) => {
  const bytes = Buffer.from(honest);
  const body = bytes.indexOf("\r\n\r\n") + 4;
  const at = Math.floor((body + bytes.length) / 2);
  bytes[at] = (bytes[at] as number) ^ 1;
  return { bytes, after: "end" };
};

/** What is no HTTP. */
export const babbles: Answering = () => ({ bytes: Buffer.from("SSH-2.0-OpenSSH_9.9\r\n".repeat(100)), after: "end" });

/** Another body. */
export const saysInstead =
  (body: Buffer | string): Answering =>
  () =>
    answer(body);

/** A small body that unpacks to so many zeros. Unpacking a large one takes real time: let turns of the event loop pass. */
export const bomb = (bytes: number): Answering => {
  const packed: Behaviour = answer(deflateSync(Buffer.alloc(bytes)), { headers: "Content-Encoding: deflate\r\n" });
  return () => packed;
};
