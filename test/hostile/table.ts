import type { HostileCase, HostileSubject } from "./case.ts";
import { certificates } from "./cases/certificates.ts";
import { channel } from "./cases/channel.ts";
import { circuit } from "./cases/circuit.ts";
import { create } from "./cases/create.ts";
import { extend } from "./cases/extend.ts";
import { far } from "./cases/far.ts";
import { floods } from "./cases/flood.ts";
import { flow } from "./cases/flow.ts";
import { handshake } from "./cases/handshake.ts";
import { stream } from "./cases/stream.ts";
import { withheld } from "./cases/withheld.ts";

/** Everything that a hostile peer tries. */
export const hostileTable: ReadonlyArray<HostileSubject> = [
  handshake,
  certificates,
  channel,
  create,
  circuit,
  extend,
  far,
  stream,
  flow,
  floods,
  withheld,
];

/** All cases of all subjects. */
export const hostileCases: ReadonlyArray<HostileCase> = hostileTable.flatMap(({ cases }) => cases);
