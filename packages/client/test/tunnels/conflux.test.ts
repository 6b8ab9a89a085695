import { ConfluxUx } from "@allium/cell";
import type { ConfluxManager } from "@allium/conflux";
import { assert, describe, it } from "@effect/vitest";
import type { ConfluxConfig } from "../../src/config.ts";
import { NetworkState } from "../../src/network-state.ts";
import { RelayTable } from "../../src/paths/index.ts";
import { ClientConflux } from "../../src/tunnels/index.ts";
import { directory, exit, guard } from "../paths/support.ts";

const manager: Pick<ConfluxManager["Service"], "begin"> = {
  begin: () => assert.fail("a set was begun"),
};

/** What a client of this configuration does in a network of these exits. */
const conflux = (
  config: ConfluxConfig,
  params: Readonly<Record<string, number>> = {},
  { offering = 3, silent = 1 } = {},
): ClientConflux => {
  const network = new NetworkState();
  const opened = { flags: exit, policy: "accept 443" };
  network.table = RelayTable.of(
    directory(
      [
        { flags: guard },
        ...Array.from({ length: offering }, () => opened),
        ...Array.from({ length: silent }, () => ({ ...opened, protocols: "FlowCtrl=1-2 Relay=2-4" })),
      ],
      { params },
    ),
  );
  return new ClientConflux(manager, config, network);
};

describe("the tunnels of several circuits that are built ahead", () => {
  it.each([
    ["three, where most exits offer conflux", {}, {}, {}, 3],
    ["one, where few do", {}, {}, { offering: 1, silent: 1 }, 1],
    ["none, where none does", { enabled: true }, {}, { offering: 0, silent: 4 }, 0],
    ["as many as the consensus says", {}, { cfx_max_prebuilt_set: 7 }, {}, 7],
    ["none, if the consensus has conflux off", {}, { cfx_enabled: 0 }, {}, 0],
    ["three all the same for who has it on", { enabled: true }, { cfx_enabled: 0 }, {}, 3],
    ["none for who has it off", { enabled: false }, { cfx_enabled: 1 }, {}, 0],
    ["none, if a set would have one circuit", {}, { cfx_num_legs_set: 1 }, {}, 0],
  ] as const)("are %s", (_, config, params, exits, expected) => {
    assert.strictEqual(conflux(config, params, exits).prebuilt, expected);
  });

  it("are none before there is a consensus", () => {
    assert.strictEqual(new ClientConflux(manager, { enabled: true }, new NetworkState()).prebuilt, 0);
  });

  it.each([
    [undefined, ConfluxUx.HIGH_THROUGHPUT],
    ["throughput", ConfluxUx.HIGH_THROUGHPUT],
    ["throughput-low-memory", ConfluxUx.LOW_MEM_THROUGHPUT],
    ["latency", ConfluxUx.MIN_LATENCY],
    ["latency-low-memory", ConfluxUx.LOW_MEM_LATENCY],
    ["none", ConfluxUx.NO_OPINION],
  ] as const)("ask exits for what is configured: %s", (ux, expected) => {
    assert.strictEqual(conflux(ux === undefined ? {} : { ux }).desiredUx, expected);
  });

  it("go by the newest consensus", () => {
    const network = new NetworkState();
    const client = new ClientConflux(manager, {}, network);
    assert.isTrue(client.params.enabled);
    network.table = RelayTable.of(directory([], { params: { cfx_enabled: 0 } }));
    assert.isFalse(client.params.enabled);
  });
});

describe("an offer to resume", () => {
  const exitWith = (protocols: string) => {
    const listed = RelayTable.of(directory([{ flags: guard }, { flags: exit, policy: "accept 443", protocols }]));
    return listed.relayAt(1);
  };

  it.each([
    ["to an exit that takes it", true, "Allium-Resumption=1 Conflux=1 FlowCtrl=1-2 Relay=2-4", true],
    ["to no other", true, "Conflux=1 FlowCtrl=1-2 Relay=2-4", false],
    ["to nobody by who does not want it", false, "Allium-Resumption=1 Conflux=1 FlowCtrl=1-2 Relay=2-4", false],
  ])("is made %s", (_, resumption, protocols, expected) => {
    assert.strictEqual(conflux({ resumption }).resumesWith(exitWith(protocols)), expected);
  });

  it("is made to nobody by default", () => {
    assert.isFalse(conflux({}).resumesWith(exitWith("Allium-Resumption=1 Conflux=1 FlowCtrl=1-2 Relay=2-4")));
  });
});
