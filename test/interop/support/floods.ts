import type { TcpNetConnectOpts } from "node:net";
import * as tls from "node:tls";
import { RelayCommand } from "@allium/cell";
import type { RelayCircuit } from "@allium/circuit";
import type { HostileCircuit } from "../../hostile/circuit.ts";
import { hello, netinfoCell } from "../../hostile/handshake.ts";
import { LinkPeer } from "../../hostile/link-peer.ts";
import type { Target } from "../../hostile/target.ts";
import { formatRequest, type OriginRequest } from "../../network/index.ts";
import type { InProcessRelay } from "./in-process.ts";

/** Connects from an address of this machine, any of 127/8, and finishes TLS. Rejects if the relay closes before that. */
export const connectFrom = async (localAddress: string, port: number): Promise<LinkPeer> => {
  const from: TcpNetConnectOpts = { host: "127.0.0.1", port, localAddress };
  const socket = tls.connect({ ...from, rejectUnauthorized: false, minVersion: "TLSv1.2" });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed in the TLS handshake")));
  });
  return new LinkPeer(socket);
};

/** A channel of a client from an address of this machine. */
export const clientFrom = async (localAddress: string, port: number): Promise<LinkPeer> => {
  const peer = await connectFrom(localAddress, port);
  await hello(peer);
  peer.send(netinfoCell());
  return peer;
};

/** Extends a circuit, and waits for the answer. */
export const extendTo = async (circuit: HostileCircuit, target: Target): Promise<void> => {
  const answers = () => circuit.events.filter(({ command }) => command === RelayCommand.EXTENDED2);
  const before = answers().length;
  const finish = circuit.extend(target);
  if (!(await circuit.receives(RelayCommand.EXTENDED2, 0, before + 1))) {
    throw new Error(`not extended: ${circuit.destroyed}`);
  }
  const { body } = answers()[before]!;
  finish(body.subarray(2, 2 + body.readUInt16BE(0)));
};

/** Asks the origin for something on an open stream. */
export const askOrigin = (circuit: HostileCircuit, streamId: number, request: OriginRequest): void =>
  circuit.sendBody(RelayCommand.DATA, streamId, Buffer.from(formatRequest(request)));

/** The relay's own view of a circuit that a peer has made; `undefined` when it has ended. */
export const circuitOf = ({ relay }: InProcessRelay, { circId, peer }: HostileCircuit): RelayCircuit | undefined =>
  relay.circuits
    .circuits()
    .find(({ near }) => near.circId === circId && near.channel.remote.port === peer.socket.localPort);
