import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createAgent, type StreamOpener } from "@allium/client";
import { FetchFailed } from "./errors.ts";

const MAX_REDIRECTS = 10;

/** What of a download is told while it runs. */
export interface DownloadProgress {
  readonly received: number;
  /** What the server says that there is. */
  readonly total: number | undefined;
}

/** What to download, and where to. */
export interface Download {
  readonly url: URL;
  /** A file, that is there only when all of it is; standard output if none is named. */
  readonly file: string | undefined;
  readonly onProgress: (progress: DownloadProgress) => void;
  readonly signal: AbortSignal;
}

/** What was downloaded. */
export interface Downloaded {
  readonly url: URL;
  readonly bytes: number;
}

/** What is to be fetched, over HTTP or HTTPS; undefined if it cannot be. */
export const parseUrl = (text: string): URL | undefined => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") ? url : undefined;
};

/** Downloads over streams of Tor. Follows redirections, but not from https to http. @throws FetchFailed */
export const download = async (client: StreamOpener, options: Download): Promise<Downloaded> => {
  const agent = createAgent(client, { agent: { keepAlive: false } });
  try {
    const { response, url } = await request(options, agent);
    return { url, bytes: await save(response, options) };
  } finally {
    agent.destroy();
  }
};

type Agents = ReturnType<typeof createAgent>;

/** Asks, and asks again where it is sent, for an answer that is one. */
const request = async ({ url: first, signal }: Download, agent: Agents) => {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await ask(url, agent, signal);
    const { statusCode = 0, statusMessage = "", headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy();
      url = follow(url, headers.location);
      continue;
    }
    if (statusCode >= 200 && statusCode < 300) return { response, url };
    response.destroy();
    throw new FetchFailed({ detail: `${url.host} answers ${statusCode} ${statusMessage}`.trimEnd() });
  }
  throw new FetchFailed({ detail: `more than ${MAX_REDIRECTS} redirections` });
};

const ask = async (url: URL, agent: Agents, signal: AbortSignal): Promise<http.IncomingMessage> => {
  const isSecure = url.protocol === "https:";
  const settings = { signal, headers: { Accept: "*/*", "User-Agent": "allium-client", Connection: "close" } };
  const asking = isSecure
    ? https.get(url, { ...settings, agent: agent.https })
    : http.get(url, { ...settings, agent: agent.http });
  try {
    const [response] = (await once(asking, "response")) as [http.IncomingMessage];
    return response;
  } catch (cause) {
    throw failed(url, cause);
  }
};

const follow = (from: URL, location: string): URL => {
  const to = URL.parse(location, from);
  if (to === null || (to.protocol !== "http:" && to.protocol !== "https:"))
    throw new FetchFailed({ detail: `${from.host} sends to "${location}", which cannot be fetched` });
  if (from.protocol === "https:" && to.protocol === "http:")
    throw new FetchFailed({ detail: `${from.host} sends from https to http, where exits can read along: ${to.href}` });
  return to;
};

/** What the platform says of certificates that prove nothing. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;

const describe = ({ message, code = "" }: NodeJS.ErrnoException): string => {
  if (CERTIFICATE.test(code)) return `who it is cannot be trusted: ${message}`;
  // The rest of such a message is for whoever writes TLS.
  if (code === "EPROTO") return `it does not speak TLS as it should: ${message.split(":")[5] ?? message}`;
  return code === "" || message.includes(code) ? message : `${message} (${code})`;
};

const failed = (url: URL, cause: unknown): FetchFailed =>
  new FetchFailed({ detail: `${url.host}: ${describe(cause as NodeJS.ErrnoException)}`, cause });

const broken = (url: URL, received: number, total: number | undefined, cause: unknown): FetchFailed => {
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== "ECONNRESET") return failed(url, cause);
  const bytes = total === undefined ? `${received} bytes` : `${received} of ${total} bytes`;
  return new FetchFailed({ detail: `${url.host}: the stream broke after ${bytes}`, cause });
};

const save = async (response: http.IncomingMessage, { file, onProgress, signal, url }: Download): Promise<number> => {
  const length = Number(response.headers["content-length"]);
  const total = Number.isSafeInteger(length) ? length : undefined;
  let received = 0;
  const counter = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      received += chunk.length;
      onProgress({ received, total });
      done(null, chunk);
    },
  });
  onProgress({ received, total });
  const part = file === undefined ? undefined : `${file}.part`;
  // Standard output stays open for others.
  const target: Writable = part === undefined ? process.stdout : createWriteStream(part);
  try {
    await pipeline(response, counter, target, { signal, end: part !== undefined });
    if (file !== undefined && part !== undefined) await rename(part, file);
  } catch (cause) {
    if (part !== undefined) await rm(part, { force: true });
    throw broken(url, received, total, cause);
  }
  return received;
};
