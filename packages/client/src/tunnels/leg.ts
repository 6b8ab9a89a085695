import type { ClientCircuit } from "@allium/circuit";
import type { AddressAndPort } from "@allium/netdoc";
import { Deferred } from "effect";
import type { GuardTicket } from "../guards/index.ts";
import type { Path } from "../paths/index.ts";
import type { ChosenGuard } from "./guard-keeper.ts";

/**
 * One circuit of a tunnel, from the choice of its path on.
 *
 * | state | means | next |
 * | --- | --- | --- |
 * | `building` | has not all its hops | `waiting` |
 * | `waiting` | built, and held back while a better guard may answer | `linking`, `open` |
 * | `linking` | the exit is asked to make it a leg of a conflux set | `open` |
 * | `open` | carries streams | |
 *
 * From each it may end.
 */
export class Leg {
  readonly path: Path;
  /** Where its guard may be reached, in the order in which to try. */
  readonly addresses: ReadonlyArray<AddressAndPort>;
  readonly ticket: GuardTicket;
  state: "building" | "waiting" | "linking" | "open" | "ended" = "building";
  /** There from its first hop on. */
  circuit: ClientCircuit | undefined = undefined;
  /** Whether it is built only to be measured: it has taken longer than circuits take. */
  isLate = false;
  /** Done when nobody wants it any more. */
  readonly givenUp = Deferred.makeUnsafe<void>();

  constructor(path: Path, { addresses, ticket }: Pick<ChosenGuard, "addresses" | "ticket">) {
    this.path = path;
    this.addresses = addresses;
    this.ticket = ticket;
  }

  /** Whether streams may be asked for on it: its circuit has not ended, even if nobody was told yet. */
  get isAlive(): boolean {
    return this.state === "open" && this.circuit?.end === undefined;
  }
}
