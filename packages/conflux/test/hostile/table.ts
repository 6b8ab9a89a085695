import type { HostileInitiator, HostileResponder } from "./case.ts";
import { ackCases } from "./cases/exit-ack.ts";
import { floodCases } from "./cases/exit-floods.ts";
import { linkCases } from "./cases/exit-link.ts";
import { nonceCases } from "./cases/exit-nonces.ts";
import { numberCases } from "./cases/exit-numbers.ts";
import { resumptionCases } from "./cases/exit-resumption.ts";
import { silenceCases } from "./cases/exit-silence.ts";
import { streamCases } from "./cases/exit-streams.ts";
import { linkedCases, wrongHopCases } from "./cases/initiator-handshake.ts";
import { clientNumberCases } from "./cases/initiator-numbers.ts";
import { clientResumptionCases } from "./cases/initiator-resumption.ts";
import { clientSilenceCases } from "./cases/initiator-silence.ts";
import { clientStreamCases } from "./cases/initiator-streams.ts";

/** What clients do to an exit, by what it has to do with. */
export const hostileInitiators: ReadonlyArray<{
  readonly title: string;
  readonly cases: ReadonlyArray<HostileInitiator>;
}> = [
  { title: "LINK", cases: linkCases },
  { title: "Nonces, and how many", cases: nonceCases },
  { title: "The rest of the handshake", cases: ackCases },
  { title: "Numbers", cases: numberCases },
  { title: "Streams and circuits", cases: streamCases },
  { title: "Resumption", cases: resumptionCases },
  { title: "What is left undone", cases: silenceCases },
  { title: "Floods", cases: floodCases },
];

/** What exits, and relays before them, do to a client. */
export const hostileResponders: ReadonlyArray<{
  readonly title: string;
  readonly cases: ReadonlyArray<HostileResponder>;
}> = [
  { title: "The handshake", cases: linkedCases },
  { title: "Who may speak", cases: wrongHopCases },
  { title: "Numbers", cases: clientNumberCases },
  { title: "Streams and circuits", cases: clientStreamCases },
  { title: "Resumption", cases: clientResumptionCases },
  { title: "What is left undone, and who is in between", cases: clientSilenceCases },
];
