import { layerTorClientNode, type TorClientConfig } from "@allium/client";
import { type ConfluxScheduler, ConfluxSchedulers } from "@allium/conflux";
import { Layer } from "effect";

/** A client whose sets send by a scheduler of one's own, whatever the exits ask for. */
export const clientWith = (scheduler: ConfluxScheduler, config: TorClientConfig) =>
  layerTorClientNode(config).pipe(Layer.provide(Layer.succeed(ConfluxSchedulers, () => scheduler)));
