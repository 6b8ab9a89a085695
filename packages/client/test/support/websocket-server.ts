import { createHash } from "node:crypto";
import * as http from "node:http";
import type { Duplex } from "node:stream";
import { started, type TestServer } from "./servers.ts";

/** What the answer to a WebSocket's key is made of (RFC 6455, 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A server that sends back what is sent to it: short frames as they come, unmasked (RFC 6455, 5). It takes the first protocol offered. */
export const webSocketEcho = (): Promise<TestServer> => {
  const server = http.createServer();
  server.on("upgrade", (request, socket: Duplex) => {
    const key = `${request.headers["sec-websocket-key"]}${GUID}`;
    const accept = createHash("sha1").update(key).digest("base64");
    const [protocol] = (request.headers["sec-websocket-protocol"] ?? "").split(",");
    const fields = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept}`,
      ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
    ];
    socket.write(`${fields.join("\r\n")}\r\n\r\n`);
    let rest: Buffer = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= HEAD_BYTES) {
        const length = (rest[1] as number) & 0x7f;
        const end = HEAD_BYTES + length;
        if (rest.length < end) return;
        const mask = rest.subarray(2, HEAD_BYTES);
        const payload = Buffer.from(rest.subarray(HEAD_BYTES, end)).map(
          (byte, index) => byte ^ (mask[index % 4] as number),
        );
        socket.write(Buffer.concat([Buffer.from([rest[0] as number, length]), payload]));
        if (((rest[0] as number) & 0x0f) === CLOSE) socket.end();
        rest = rest.subarray(end);
      }
    });
  });
  return started(server);
};

/** Of a frame with fewer than 126 bytes, and a mask. */
const HEAD_BYTES = 6;

const CLOSE = 0x8;
