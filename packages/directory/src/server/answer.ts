import type { UnixMillis } from "@allium/netdoc";
import { chooseEncoding } from "../http/encoding.ts";
import type { HttpRequest } from "../http/request.ts";
import { certificates } from "./certificates.ts";
import { consensus } from "./consensus.ts";
import { extraInfos, microdescriptors, routers } from "./descriptors.ts";
import {
  type Answer,
  type Asked,
  badRequest,
  documents,
  type Handler,
  notFound,
  refuse,
  type Served,
} from "./model.ts";

/**
 * Answers a request to a directory cache (dir-spec 4 and appendix B; status codes: 6.2), as `tor` does.
 *
 * | target | answer |
 * | --- | --- |
 * | `/tor/status-vote/current/consensus[-microdesc]`, `.../F+F+F` | the consensus, if it is of this time and most of the F have signed it |
 * | the same with `X-Or-Diff-From-Consensus: H H`, or `.../diff/H[/F+F+F]` | a diff from a consensus that is known; 304 if the newest is among them |
 * | `/tor/micro/d/D-D-D` | those microdescriptors that are here |
 * | `/tor/server/d/D+D`, `/fp/F+F`, `/all`, `/authority` | router descriptors: by digest, by relay, everybody's, the relay's own |
 * | `/tor/extra/...` | extra-info documents: the same |
 * | `/tor/keys/all`, `/fp/F+F`, `/sk/S+S`, `/fp-sk/F-S+F-S` | those certificates that are here |
 * | `/tor/robots.txt` | that robots should go elsewhere |
 * | another target below `/tor/keys/`; another method than GET | 400 |
 * | anything else | 404 |
 *
 * Each with `.z` behind it too, which is as good as accepting `deflate`. Where `/tor` is missing at the beginning it is put there.
 */
export const answerTo = (request: HttpRequest, served: Served, now: UnixMillis): Answer => {
  if (request.method === "POST")
    return refuse(400, "Nonauthoritative directory does not accept posted server descriptors");
  if (request.method !== "GET") return badRequest;
  const suffix = request.target.length > 2 && request.target.endsWith(".z");
  const plain = suffix ? request.target.slice(0, -2) : request.target;
  const target = plain.startsWith("/tor/") ? plain : `/tor${plain}`;
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  const asked: Asked = {
    request,
    served,
    now,
    encoding: chooseEncoding(request.headers, suffix),
    modifiedSince: Number.isNaN(since) ? undefined : since,
  };
  const route = routes.find(([prefix]) => target.startsWith(prefix));
  return route === undefined ? notFound() : route[1](target.slice(route[0].length), asked);
};

const robots: Handler = (rest, asked) =>
  rest === "" ? documents([Buffer.from("User-agent: *\r\nDisallow: /\r\n")], asked, 24 * 3600) : notFound();

const routes: ReadonlyArray<readonly [prefix: string, handle: Handler]> = [
  ["/tor/status-vote/current/consensus", consensus],
  ["/tor/micro/d/", microdescriptors],
  ["/tor/server/", routers],
  ["/tor/extra/", extraInfos],
  ["/tor/keys/", certificates],
  ["/tor/robots.txt", robots],
];
