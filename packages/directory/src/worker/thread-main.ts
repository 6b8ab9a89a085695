/** What runs in the thread of `layerDocumentWorker`: one job after the other, as they come. */
import { parentPort } from "node:worker_threads";
import { type DocumentJob, runJob } from "./jobs.ts";

/** The documents of a job, which came as copies. */
const documentsOf = (job: DocumentJob): ReadonlyArray<Uint8Array> => {
  switch (job._tag) {
    case "SignedDigest":
      return [job.consensus];
    case "MakeDiff":
      return [job.base, job.target];
    case "ApplyDiff":
      return [job.base, job.diff];
  }
};

parentPort?.on("message", (job: DocumentJob) => {
  parentPort?.postMessage(runJob(job));
  // Given back at once: a thread that makes no other garbage would keep them for hours.
  for (const { buffer } of documentsOf(job)) if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
});
