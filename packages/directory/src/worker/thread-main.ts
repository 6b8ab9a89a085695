/** What runs in the thread of `layerDocumentWorker`: one job after the other, as they come. */
import { parentPort } from "node:worker_threads";
import { type DocumentJob, runJob } from "./jobs.ts";

parentPort?.on("message", (job: DocumentJob) => parentPort?.postMessage(runJob(job)));
