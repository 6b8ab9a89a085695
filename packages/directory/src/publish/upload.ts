import { Transport } from "@allium/channel";
import type { UnixMillis } from "@allium/netdoc";
import { Clock, Effect } from "effect";
import type { Authority } from "../authorities.ts";
import { LIMITS, uploadPath } from "../download/resources.ts";
import type { DirectoryFetchError } from "../errors.ts";
import { exchange } from "../http/client.ts";
import { shorten } from "../http/head.ts";
import { plainSource } from "../sources/authority-sources.ts";
import type { DirectoryTiming } from "../timing.ts";
import type { OwnDocuments } from "./descriptor-source.ts";

/** How an authority stands to the newest descriptor. */
export type UploadOutcome =
  /** It was not asked yet. */
  | { readonly _tag: "Waiting" }
  /** It has it. `notNew`: it kept the one that it had, which says the same. */
  | { readonly _tag: "Accepted"; readonly at: UnixMillis; readonly notNew: boolean }
  /** It does not want it, and says why. */
  | { readonly _tag: "Refused"; readonly at: UnixMillis; readonly status: number; readonly text: string }
  /** It could not be asked. */
  | { readonly _tag: "Unreachable"; readonly at: UnixMillis; readonly error: DirectoryFetchError };

/** Posts both documents to an authority (dir-spec 2.1). Never fails: the outcome tells. */
export const uploadOnce = Effect.fn("directory.upload")(function* (
  authority: Authority,
  { descriptor, extraInfo }: OwnDocuments,
  timing: DirectoryTiming,
): Effect.fn.Return<Exclude<UploadOutcome, { _tag: "Waiting" }>, never, Transport> {
  const asked = plainSource(yield* Transport, authority.name, authority.upload);
  const request = { path: uploadPath, post: Buffer.from(descriptor + extraInfo), limit: LIMITS.upload };
  const answer = yield* Effect.result(exchange(asked, request, timing));
  const at = yield* Clock.currentTimeMillis;
  if (answer._tag === "Failure") return { _tag: "Unreachable", at, error: answer.failure };
  const { status, reason, headers, body } = answer.success;
  if (status >= 200 && status < 300)
    return { _tag: "Accepted", at, notNew: headers.get("x-descriptor-not-new")?.toLowerCase() === "yes" };
  // The reason stands in the status line; some put it into the body.
  const text = shorten([reason, body.toString("latin1").trim()].filter((part) => part !== "").join(": "), 300);
  return { _tag: "Refused", at, status, text };
});
