import type { TorNode } from "../../network/index.ts";

/** A circuit of a set, as a `tor` client's control port shows it. */
export interface LinkedCircuit {
  readonly id: string;
  readonly line: string;
}

/** A client's linked circuits by the set that they are in. */
export const confluxSets = async ({ control }: TorNode): Promise<ReadonlyMap<string, ReadonlyArray<LinkedCircuit>>> => {
  const status = await control.getInfo("circuit-status");
  const sets = new Map<string, ReadonlyArray<LinkedCircuit>>();
  for (const line of status.split("\n")) {
    const set = /CONFLUX_ID=([0-9A-F]+)/i.exec(line)?.[1];
    const [id = ""] = line.split(" ");
    if (set === undefined || !line.includes("PURPOSE=CONFLUX_LINKED")) continue;
    sets.set(set, [...(sets.get(set) ?? []), { id, line }]);
  }
  return sets;
};
