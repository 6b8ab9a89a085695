import { once } from "node:events";
import * as http from "node:http";
import { text } from "node:stream/consumers";
import { connectionDuplex, createAgent, createDispatcher, type PlainClient, StreamOpenError } from "@allium/client";

export const withFetch = async (tor: PlainClient): Promise<string> => {
  const dispatcher = createDispatcher(tor);
  const response = await fetch("http://example.com/", { dispatcher });
  return response.text();
};

export const withAgent = async (tor: PlainClient): Promise<string> => {
  const agent = createAgent(tor); // agent.http for http:, agent.https for https:
  const request = http.get("http://example.com/", { agent: agent.http });
  const [response] = await once(request, "response");
  return text(response);
};

export const withWebSocket = async (tor: PlainClient): Promise<string> => {
  const socket = new WebSocket("ws://echo.example/", { dispatcher: createDispatcher(tor) });
  socket.addEventListener("open", () => socket.send("hello"));
  const [{ data }] = await once(socket, "message");
  socket.close();
  return data;
};

export const withSocket = async (tor: PlainClient): Promise<string> => {
  const socket = connectionDuplex(await tor.open({ host: "whois.example", port: 43 }));
  socket.end("example.com\r\n");
  return text(socket);
};

export const twoIdentities = async (tor: PlainClient): Promise<void> => {
  const other = await tor.isolated(); // shares no circuit with anybody
  await Promise.all([withFetch(tor), withFetch(other)]);
  // Or by a text: streams with different ones never share a circuit.
  const alice = createDispatcher(tor, { isolation: "alice" });
  const eachHost = createDispatcher(tor, { isolateHosts: true });
  await fetch("http://example.com/", { dispatcher: alice });
  await fetch("http://example.com/", { dispatcher: eachHost });
};

export const whyNot = async (tor: PlainClient): Promise<string> => {
  try {
    await fetch("http://nowhere.example/", { dispatcher: createDispatcher(tor) });
    return "it works";
  } catch (error) {
    const { cause } = error as Error;
    return cause instanceof StreamOpenError ? `${cause.code}: ${cause.message}` : String(cause);
  }
};

export const lookUp = async (tor: PlainClient): Promise<ReadonlyArray<string>> => {
  const answers = await tor.resolve("example.com", {}, AbortSignal.timeout(30_000));
  return answers.map(({ value, ttl }) => `${value.address} for ${ttl} s`);
};
