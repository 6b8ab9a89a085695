import { Worker } from "node:worker_threads";
import { assert, describe, it } from "@effect/vitest";
import type { DocumentJob, JobResult } from "../src/worker/jobs.ts";

const MEBIBYTE = 1024 * 1024;

describe("the thread that works on documents", () => {
  it("keeps none of them when its jobs are done", async () => {
    const thread = new Worker(new URL("../src/worker/thread-main.ts", import.meta.url));
    const run = (job: DocumentJob): Promise<JobResult> => {
      const answered = new Promise<JobResult>((resolve, reject) => {
        thread.once("message", resolve).once("error", reject);
      });
      thread.postMessage(job);
      return answered;
    };
    try {
      const document = Buffer.alloc(MEBIBYTE, "a line\n");
      const jobs: ReadonlyArray<DocumentJob> = [
        { _tag: "SignedDigest", consensus: document },
        { _tag: "MakeDiff", from: "", base: document, target: document },
        { _tag: "ApplyDiff", base: document, diff: document },
      ];
      for (const job of jobs) {
        // None of these is a consensus, and the answer says so.
        for (let count = 0; count < 8; count++) assert.strictEqual((await run(job))._tag, "Refused");
      }
      const { external_memory: held } = await thread.getHeapStatistics();
      assert.isBelow(held, 8 * MEBIBYTE);
    } finally {
      await thread.terminate();
    }
  });
});
