export { StreamBrokenError, StreamOpenError } from "./errors.ts";
export { plainOpener, type StreamOpener } from "./opener.ts";
export { makeSocket } from "./socket.ts";
export { connectionDuplex, type Dial, TorSocket, type TorSocketOptions } from "./tor-socket.ts";
