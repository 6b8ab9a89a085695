import { RelayCommand } from "@allium/cell";
import type { HostileCase, HostileSubject } from "../case.ts";
import { circuitCase } from "../circuit-case.ts";
import { randomBytes } from "../identity.ts";
import type { CircuitStage } from "../stage.ts";

const PROTOCOL = "DESTROY PROTOCOL";
const IGNORED = "ignored";
const CC = { congestionControl: true } as const;

const sendme = (version: number, tag: Buffer, length = tag.length): Buffer =>
  Buffer.concat([Buffer.of(version, length >>> 8, length & 0xff), tag]);

/** After so many DATA cells a circuit SENDME is due; the tag is that of the last of them. */
const afterData =
  (count: number, body: (tag: Buffer, stage: CircuitStage) => Buffer, times = 1) =>
  async (stage: CircuitStage): Promise<void> => {
    const { circuit } = stage;
    if (!(await circuit.receives(RelayCommand.DATA, 1, count))) throw new Error("no data came");
    const data = circuit.events.filter(({ command }) => command === RelayCommand.DATA);
    for (let time = 0; time < times; time++) {
      circuit.sendBody(RelayCommand.SENDME, 0, body(data[count - 1]?.tag ?? Buffer.alloc(20), stage));
    }
    await circuit.peer.until(() => (circuit.destroyed === undefined ? undefined : true), 300);
  };

const SOURCE = { stream: "source" } as const;
const SILENT = { stream: "silent" } as const;
const SILENT_CC = { ...CC, ...SILENT };

/** A message on the stream to an application that does not read. */
const message = (
  what: string,
  rule: string,
  answer: string,
  options: typeof SILENT | typeof SILENT_CC,
  command: number,
  body?: Buffer,
): HostileCase => circuitCase(what, rule, answer, ({ circuit }) => circuit.sendBody(command, 1, body), options);

const circuitWindow: ReadonlyArray<HostileCase> = [
  circuitCase("SENDME of the circuit before anything was sent", "tor-spec 7.3", PROTOCOL, ({ circuit }) =>
    circuit.sendBody(RelayCommand.SENDME, 0, sendme(1, randomBytes(20))),
  ),
  circuitCase(
    "SENDME of the circuit, of version 0, before anything was sent",
    "tor-spec 7.3",
    PROTOCOL,
    ({ circuit }) => circuit.sendBody(RelayCommand.SENDME, 0),
  ),
  circuitCase(
    "SENDME of the circuit with the tag of no cell",
    "tor-spec 7.3.1",
    PROTOCOL,
    afterData(100, () => sendme(1, randomBytes(20))),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit with a tag that is cut short",
    "tor-spec 7.3.1",
    PROTOCOL,
    afterData(100, (tag) => sendme(1, tag.subarray(0, 19))),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit with no tag",
    "tor-spec 7.3.1",
    PROTOCOL,
    afterData(100, () => Buffer.of(1, 0, 0)),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit with a tag longer than itself",
    "tor-spec 7.3.1",
    PROTOCOL,
    afterData(100, (tag) => sendme(1, tag, 200)),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit with a tag and more",
    "tor-spec 7.3.1",
    IGNORED,
    afterData(100, (tag) => Buffer.concat([sendme(1, tag), randomBytes(30)])),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit of version 0, without a tag",
    "tor-spec 7.3.1",
    IGNORED,
    afterData(100, () => Buffer.alloc(0)),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit of a version that nobody knows",
    "tor-spec 7.3.1",
    PROTOCOL,
    afterData(100, (tag) => sendme(7, tag)),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit twice for the same cell",
    "tor-spec 7.3",
    PROTOCOL,
    afterData(100, (tag) => sendme(1, tag), 2),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit for a cell that is not due",
    "tor-spec 7.3",
    PROTOCOL,
    afterData(50, (tag) => sendme(1, tag)),
    SOURCE,
  ),
  circuitCase(
    "SENDME of the circuit with congestion control, before anything was sent",
    "proposal 324",
    PROTOCOL,
    ({ circuit }) => circuit.sendBody(RelayCommand.SENDME, 0, sendme(1, randomBytes(20))),
    CC,
  ),
  circuitCase(
    "SENDME of the circuit with congestion control, with the tag of no cell",
    "proposal 324",
    PROTOCOL,
    afterData(31, () => sendme(1, randomBytes(20))),
    { ...CC, ...SOURCE },
  ),
];

const STREAM_WINDOW = 500;
const STREAM_INCREMENT = 50;

/** Sends as the window allows until nothing is acknowledged any more: the application's buffers are full. Then goes on. */
const overrun = async ({ circuit }: CircuitStage): Promise<void> => {
  let sent = 0;
  let isOver = false;
  const acknowledged = (): number =>
    circuit.events.filter(({ command, streamId }) => command === RelayCommand.SENDME && streamId === 1).length;
  for (;;) {
    const room = STREAM_WINDOW + STREAM_INCREMENT * acknowledged() - sent;
    if (room > 0) {
      circuit.sendData(1, room);
      sent += room;
      isOver = false;
    }
    const before = acknowledged();
    const more = await circuit.peer.until(
      () => (acknowledged() > before || circuit.destroyed !== undefined ? true : undefined),
      isOver ? 1_500 : 400,
    );
    if (circuit.destroyed !== undefined || (more === undefined && isOver)) return;
    if (more !== undefined) continue;
    // One too many; unless an acknowledgement is on its way, which it then is not.
    circuit.sendData(1, 1);
    sent++;
    isOver = true;
  }
};

const streamWindow: ReadonlyArray<HostileCase> = [
  circuitCase(
    "a stream's window overrun, with an application that does not read",
    "tor-spec 7.4",
    PROTOCOL,
    overrun,
    SILENT,
  ),
  circuitCase(
    "a stream's whole window at once, for an application that does not read",
    "tor-spec 7.4",
    IGNORED,
    ({ circuit }) => circuit.sendData(1, 500),
    SILENT,
  ),
  circuitCase(
    "the circuit's whole window at once, on five streams",
    "tor-spec 7.3",
    "CONNECTED",
    async ({ circuit, arena }) => {
      for (const streamId of [2, 3, 4, 5]) await circuit.connect(streamId, `127.0.0.1:${arena.services.silent}`);
      for (const streamId of [1, 2, 3, 4, 5]) circuit.sendData(streamId, 200);
    },
    SILENT,
  ),
  message(
    "SENDME of a stream that makes its window wider than it was",
    "tor-spec 7.4",
    PROTOCOL,
    SILENT,
    RelayCommand.SENDME,
  ),
  message(
    "SENDME of a stream with bytes in it",
    "tor-spec 7.4",
    PROTOCOL,
    SILENT,
    RelayCommand.SENDME,
    randomBytes(30),
  ),
  message("XOFF on a stream with a window", "proposal 324, 4", IGNORED, SILENT, RelayCommand.XOFF, Buffer.of(0)),
  message("XON on a stream with a window", "proposal 324, 4", IGNORED, SILENT, RelayCommand.XON, Buffer.alloc(5)),
];

const xonXoff: ReadonlyArray<HostileCase> = [
  message("SENDME of a stream with XON and XOFF", "proposal 324, 4", PROTOCOL, SILENT_CC, RelayCommand.SENDME),
  message("XOFF before anything was sent", "proposal 324, 4.1.4", IGNORED, SILENT_CC, RelayCommand.XOFF, Buffer.of(0)),
  circuitCase(
    "XOFF after XOFF",
    "proposal 324, 4.1.4",
    IGNORED,
    ({ circuit }) => {
      circuit.sendBody(RelayCommand.XOFF, 1, Buffer.of(0));
      circuit.sendBody(RelayCommand.XOFF, 1, Buffer.of(0));
    },
    SILENT_CC,
  ),
  message("XOFF with nothing in it", "proposal 324, 4.1", PROTOCOL, SILENT_CC, RelayCommand.XOFF),
  message(
    "XOFF of a version that nobody knows",
    "proposal 324, 4.1",
    PROTOCOL,
    SILENT_CC,
    RelayCommand.XOFF,
    Buffer.of(9),
  ),
  message("XON before XOFF", "proposal 324, 4.1.4", IGNORED, SILENT_CC, RelayCommand.XON, Buffer.alloc(5)),
  message(
    "XON of a version that nobody knows",
    "proposal 324, 4.1",
    PROTOCOL,
    SILENT_CC,
    RelayCommand.XON,
    Buffer.of(9, 0, 0, 0, 0),
  ),
  message("XON that is cut short", "proposal 324, 4.1", PROTOCOL, SILENT_CC, RelayCommand.XON, Buffer.of(0, 0, 0)),
  message(
    "XON with the highest rate there is",
    "proposal 324, 4.1",
    IGNORED,
    SILENT_CC,
    RelayCommand.XON,
    Buffer.of(0, 255, 255, 255, 255),
  ),
  circuitCase(
    "a hundred XONs and XOFFs in turn",
    "proposal 324, 4.1.4",
    IGNORED,
    ({ circuit }) => {
      for (let count = 0; count < 100; count++) {
        circuit.sendBody(RelayCommand.XOFF, 1, Buffer.of(0));
        circuit.sendBody(RelayCommand.XON, 1, Buffer.alloc(5));
      }
    },
    SILENT_CC,
  ),
  circuitCase(
    "2000 DATA cells, in spite of XOFF",
    "proposal 324, 4.1",
    IGNORED,
    ({ circuit }) => circuit.sendData(1, 2_000),
    {
      ...CC,
      ...SILENT,
    },
  ),
  circuitCase(
    "8 MB of DATA for an application that does not read, in spite of XOFF",
    "open",
    "serves the circuit no more",
    ({ circuit }) => circuit.sendData(1, 16_064),
    SILENT_CC,
  ),
];

/** Windows, SENDME, XON and XOFF. */
export const flow: HostileSubject = {
  title: "Flow control",
  about:
    "The peer is a relay with two circuits that end at the target; one is the neighbour. Whoever breaks the rules of flow control loses the circuit: buffers elsewhere depend on them.",
  cases: [...circuitWindow, ...streamWindow, ...xonXoff],
};
