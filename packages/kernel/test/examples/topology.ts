import { Topology } from "@allium/kernel";
import { Effect } from "effect";

export const drawing = Effect.map(Topology.snapshot, Topology.toMermaid);
