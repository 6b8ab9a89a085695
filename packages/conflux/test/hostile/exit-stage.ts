import { type Channel, layerEntropySeeded } from "@allium/channel";
import { type ConfluxConfig, ConfluxManager, type ConfluxSet, confluxParams, layerConflux } from "@allium/conflux";
import { assert } from "@effect/vitest";
import { Context, Effect, Layer, type Scope } from "effect";
import { aSecond, type Lab, type LabOptions, makeLab, openRaw } from "../../../circuit/test/support/lab.ts";
import { nonceOf, RawLeg } from "./raw-leg.ts";

/** An exit that links circuits, and clients that keep no rules. */
export interface ExitStage {
  readonly lab: Lab;
  /** Sets that the exit has. */
  readonly sets: () => ReadonlyArray<ConfluxSet>;
  /** A circuit to the exit. */
  readonly open: (channel?: Channel) => Effect.Effect<RawLeg>;
  /** A circuit that has no congestion control. */
  readonly openFixed: Effect.Effect<RawLeg>;
  /** A leg of a set: it has sent LINK, and LINKED came. */
  readonly linked: (nonce?: Buffer, channel?: Channel) => Effect.Effect<RawLeg>;
  /** A leg that has sent LINKED_ACK too. */
  readonly leg: (nonce?: Buffer, channel?: Channel) => Effect.Effect<RawLeg>;
  /** Two of them, of one set. */
  readonly legs: Effect.Effect<readonly [RawLeg, RawLeg]>;
  /** Another client's channel to the exit. */
  readonly connect: (host: string) => Effect.Effect<Channel, never, Scope.Scope>;
  /** Bytes that the exit holds now. */
  readonly held: () => number;
  /** All circuits that were opened. */
  readonly opened: ReadonlyArray<RawLeg>;
}

export const makeExitStage = (
  config: Partial<ConfluxConfig> = {},
  options: LabOptions = {},
): Effect.Effect<ExitStage, never, Scope.Scope> =>
  Effect.gen(function* () {
    const managers: Array<ConfluxManager["Service"]> = [];
    const conflux = layerConflux({ params: () => confluxParams(() => undefined), ...config }).pipe(
      Layer.tap((services) => Effect.sync(() => managers.push(Context.get(services, ConfluxManager)))),
    );
    const lab = yield* makeLab({ ...options, conflux });
    const opened: Array<RawLeg> = [];
    const keep = (leg: RawLeg): RawLeg => {
      opened.push(leg);
      return leg;
    };
    const open = (channel?: Channel) =>
      Effect.map(openRaw(lab, { congestionControl: true }, channel), (circuit) => keep(new RawLeg(circuit)));
    const linked = (nonce = nonceOf(1), channel?: Channel) =>
      Effect.tap(open(channel), (leg) => {
        leg.link({ nonce });
        return Effect.andThen(
          aSecond,
          Effect.sync(() => assert.strictEqual(leg.count("CONFLUX_LINKED"), 1)),
        );
      });
    const leg = (nonce?: Buffer, channel?: Channel) =>
      Effect.tap(linked(nonce, channel), (one) => {
        one.ack();
        return aSecond;
      });
    return {
      lab,
      opened,
      open,
      openFixed: Effect.map(openRaw(lab), (circuit) => keep(new RawLeg(circuit))),
      linked,
      leg,
      legs: Effect.all([leg(), leg()]),
      connect: lab.connect,
      sets: () => managers[0]?.sets() ?? [],
      held: () => lab.relays[0]?.memory.used ?? 0,
    };
  }).pipe(Effect.provide(layerEntropySeeded("hostile legs")));
