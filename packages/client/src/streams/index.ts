export { type Attached, type Attachment, type AttachParts, attach, MAX_ATTEMPTS } from "./attach.ts";
export { type EndVerdict, judgeEnd, MAX_PLACES } from "./end-verdict.ts";
export { openStream, resolveName, reverseAddress, type StreamsParts } from "./requests.ts";
export { StreamRoom } from "./room.ts";
export { beginOf, needOf } from "./wish.ts";
