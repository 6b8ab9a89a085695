import {
  ConsensusDiff,
  ConsensusDiffError,
  type ConsensusDiffProblem,
  consensusSignedDigest,
  makeConsensusDiff,
} from "@allium/netdoc";

/** Work on whole documents that takes longer than the event loop has time for. */
export type DocumentJob =
  /** The name of a consensus in diffs. */
  | { readonly _tag: "SignedDigest"; readonly consensus: Uint8Array }
  | { readonly _tag: "MakeDiff"; readonly from: string; readonly base: Uint8Array; readonly target: Uint8Array }
  | { readonly _tag: "ApplyDiff"; readonly base: Uint8Array; readonly diff: Uint8Array };

/** What comes of a job: bytes, or a digest in hexadecimal as bytes. */
export type JobResult =
  | { readonly _tag: "Done"; readonly bytes: Uint8Array }
  /** The documents do not allow it: what `ConsensusDiffError` says, in a form that goes from thread to thread. */
  | {
      readonly _tag: "Refused";
      readonly problem: ConsensusDiffProblem;
      readonly detail: string;
      readonly line: number | undefined;
    };

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const work = (job: DocumentJob): Buffer => {
  switch (job._tag) {
    case "SignedDigest":
      return Buffer.from(consensusSignedDigest(view(job.consensus)));
    case "MakeDiff": {
      const diff = makeConsensusDiff(view(job.base), view(job.target));
      const parsed = ConsensusDiff.parse(diff);
      if (parsed.from !== job.from) throw new ConsensusDiffError("wrong-base", "starts from another consensus");
      // As `tor` does: a diff that leads elsewhere is worse than none. Throws if it does.
      parsed.apply(view(job.base));
      return diff;
    }
    case "ApplyDiff":
      return ConsensusDiff.parse(view(job.diff)).apply(view(job.base));
  }
};

/** Does a job. What it throws is a bug. */
export const runJob = (job: DocumentJob): JobResult => {
  try {
    return { _tag: "Done", bytes: work(job) };
  } catch (error) {
    if (!(error instanceof ConsensusDiffError)) throw error;
    return { _tag: "Refused", problem: error.problem, detail: error.detail, line: error.line };
  }
};
