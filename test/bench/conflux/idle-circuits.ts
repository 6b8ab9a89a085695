import { ConfluxUx, EndReason, RelayCommand } from "@allium/cell";
import { create, type HostileCircuit } from "../../hostile/circuit.ts";
import { authenticate } from "../../hostile/handshake.ts";
import { makeIdentity, randomBytes } from "../../hostile/identity.ts";
import { LinkPeer } from "../../hostile/link-peer.ts";
import type { Target } from "../../hostile/target.ts";

/** Handshakes that wait for their answers at once. */
const AT_ONCE = 50;

const inTurns = async (count: number, work: (index: number) => Promise<void>): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
};

/** Circuits that end at an exit, all over one channel of a relay that nobody knows; nothing happens on them. */
export class IdleCircuits implements Disposable {
  private readonly peer: LinkPeer;
  private readonly circuits: ReadonlyArray<HostileCircuit>;
  /** Of the sets that they are in. */
  private readonly nonces: Array<Buffer> = [];

  private constructor(peer: LinkPeer, circuits: ReadonlyArray<HostileCircuit>) {
    this.peer = peer;
    this.circuits = circuits;
  }

  /** Opens so many, with congestion control. */
  static async open(exit: Target, count: number): Promise<IdleCircuits> {
    const peer = await LinkPeer.connect(exit.port);
    await authenticate(peer, await makeIdentity());
    const circuits: Array<HostileCircuit> = [];
    await inTurns(count, async () => void circuits.push(await create(peer, exit, true)));
    return new IdleCircuits(peer, circuits);
  }

  /** Opens a stream on each to a server on this machine, and ends it. */
  async use(port: number): Promise<void> {
    await inTurns(this.circuits.length, async (index) => {
      const circuit = this.circuits[index]!;
      await circuit.connect(1, `127.0.0.1:${port}`);
      circuit.send(1, { _tag: "END", reason: EndReason.DONE, resolved: undefined });
    });
  }

  /** Makes each the first leg of a set, or another leg of those of other circuits. @throws Error if one is refused */
  async link(others?: IdleCircuits): Promise<void> {
    await inTurns(this.circuits.length, async (index) => {
      const circuit = this.circuits[index]!;
      const nonce = others?.nonces[index] ?? randomBytes(32);
      this.nonces[index] = nonce;
      const numbers = { lastSeqnoSent: 0n, lastSeqnoReceived: 0n };
      circuit.send(0, { _tag: "CONFLUX_LINK", nonce, ...numbers, desiredUx: ConfluxUx.HIGH_THROUGHPUT });
      if (!(await circuit.receives(RelayCommand.CONFLUX_LINKED, 0))) throw new Error("no LINKED");
      circuit.send(0, { _tag: "CONFLUX_LINKED_ACK" });
    });
  }

  /** How many are still there. */
  get open(): number {
    return this.peer.closed ? 0 : this.circuits.filter(({ destroyed }) => destroyed === undefined).length;
  }

  [Symbol.dispose](): void {
    this.peer.destroy();
  }
}
