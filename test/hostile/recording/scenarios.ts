import type { Socket } from "node:net";
import { ChannelCommand, RelayCommand } from "@allium/cell";
import {
  CircuitFailedError,
  eventually,
  formatRequest,
  type Origin,
  type OriginRequest,
  PinnedDialer,
  pause,
  SocketReader,
  SocksError,
  socksResolve,
  socksResolvePtr,
  type TorNetwork,
  type TorNode,
  type TorrcLine,
  writeAll,
} from "../../network/index.ts";
import { FORBIDDEN } from "../stage.ts";
import type { TappedRelay } from "./tapped-relay.ts";
import type { TappedCircuits } from "./transcribe.ts";

/** What `tor` is made to do in. */
export interface RecordingStage {
  readonly network: TorNetwork;
  readonly allium: TappedRelay;
  readonly origin: Origin;
  /** A port where nobody listens. */
  readonly refused: number;
  /** Whose doings are recorded. */
  readonly client: TorNode;
}

/** Something that is recorded. */
export interface Scenario {
  /** The name of its file. */
  readonly name: string;
  readonly title: string;
  readonly peer: "client" | "relay";
  /** Parameters of the consensus: one object for all that are in one network. @default none */
  readonly params?: Readonly<Record<string, number>>;
  /** Starts a client for it, before anything is recorded. @default one whose guard is another relay, and that does nothing by itself */
  readonly prepare?: (stage: RecordingStage) => Promise<TorNode>;
  /** Makes `tor` do it. What has passed the tap when it returns is what is recorded. */
  readonly run: (stage: RecordingStage) => Promise<void>;
  /** Which circuits are, of those on which something is said while it runs. @default all */
  readonly wants?: (circuit: TappedCircuits) => boolean;
}

/** A moment after which nothing of what was done is still under way. */
const SETTLED_MS = 500;

/** Uses a circuit of three hops whose exit is recorded; the recording is over before it is closed. */
const atExit =
  (use: (dial: (host: string, port: number) => Promise<Socket>, stage: RecordingStage) => Promise<void>) =>
  async (stage: RecordingStage): Promise<void> => {
    const { network, allium, client } = stage;
    const path = [...network.relays.map(({ fingerprint }) => fingerprint), allium.fingerprint];
    const circuitId = await client.control.buildCircuit(path);
    await using dialer = await PinnedDialer.open(client);
    await use((host, port) => dialer.connect({ circuitId }, host, port), stage);
    await pause(SETTLED_MS);
  };

const ask = (socket: Socket, request: OriginRequest): SocketReader => {
  socket.write(formatRequest(request));
  return new SocketReader(socket);
};

const untilEnd = async (reader: SocketReader): Promise<void> => {
  while ((await reader.some(0x1_0000)) !== null);
};

/** Says something to an origin that says it again. */
const echoed = async (socket: Socket, reader: SocketReader, text: string): Promise<void> => {
  await writeAll(socket, Buffer.from(text));
  await reader.exactly(text.length);
};

const failsWith = async (attempt: Promise<Socket | string>): Promise<void> => {
  await attempt.then(
    () => {
      throw new TypeError("it was not refused");
    },
    (error: unknown) => {
      if (!(error instanceof SocksError)) throw error;
    },
  );
};

/** Text that is long, and short in a recording: a letter for each kilobyte. */
const letters = (length: number): Buffer => {
  const text = Buffer.alloc(length);
  for (let at = 0; at < length; at++) text[at] = 97 + (Math.floor(at / 1_024) % 26);
  return text;
};

/** Options of clients whose exit is the relay that is recorded: what is behind the others is never next to it. */
export const toExit = ({ relays }: TorNetwork, allium: TappedRelay): ReadonlyArray<TorrcLine> => [
  ["EntryNodes", relays[0]!.fingerprint],
  ["MiddleNodes", relays[1]!.fingerprint],
  ["ExitNodes", allium.fingerprint],
];

/** Whom circuits are extended to: a relay that has not connected by itself to the one that is recorded. */
const nextOf = ({ network }: RecordingStage): TorNode => network.exits[0]!;

/** Starts a client whose guard is the relay that is recorded. */
const guarded =
  (...extraTorrc: ReadonlyArray<TorrcLine>) =>
  async ({ network, allium }: RecordingStage): Promise<TorNode> => {
    const client = await network.addClient({ extraTorrc: [["EntryNodes", allium.fingerprint], ...extraTorrc] });
    await client.control.setConf({ __DisablePredictedCircuits: 1 });
    // What it has begun by itself is not what it is made to do.
    await pause(SETTLED_MS);
    return client;
  };

/** A circuit that begins at the relay that is recorded and goes on to others. */
const throughGuard = async (stage: RecordingStage): Promise<string> => {
  const path = [stage.allium, nextOf(stage), stage.network.relays[1]!];
  return await stage.client.control.buildCircuit(path.map(({ fingerprint }) => fingerprint));
};

/** A network that does without congestion control. */
const WINDOWS = { cc_alg: 0 };

/** In the order in which they are recorded: the last ones take relays away. */
export const scenarios: ReadonlyArray<Scenario> = [
  {
    name: "windows-download",
    title: "a client without congestion control downloads something through an exit",
    peer: "relay",
    params: WINDOWS,
    run: atExit(async (dial, { origin }) => {
      const socket = await dial(origin.host, origin.port);
      await untilEnd(ask(socket, { mode: "transfer", down: 400_000 }));
      socket.destroy();
    }),
  },
  {
    name: "windows-upload",
    title: "a client without congestion control uploads something through an exit",
    peer: "relay",
    params: WINDOWS,
    run: atExit(async (dial, { origin }) => {
      const socket = await dial(origin.host, origin.port);
      const reader = ask(socket, { mode: "transfer", up: 60_000 });
      await writeAll(socket, letters(60_000));
      await untilEnd(reader);
      socket.destroy();
    }),
  },
  {
    name: "download",
    title: "a client downloads something through an exit",
    peer: "relay",
    run: atExit(async (dial, { origin }) => {
      const socket = await dial(origin.host, origin.port);
      await untilEnd(ask(socket, { mode: "transfer", down: 120_000 }));
      socket.destroy();
    }),
  },
  {
    name: "upload",
    title: "a client uploads something through an exit",
    peer: "relay",
    run: atExit(async (dial, { origin }) => {
      const socket = await dial(origin.host, origin.port);
      const reader = ask(socket, { mode: "transfer", up: 40_000 });
      await writeAll(socket, letters(40_000));
      await untilEnd(reader);
      socket.destroy();
    }),
  },
  {
    name: "crosswise",
    title: "a client's streams begin and end crosswise on one circuit",
    peer: "relay",
    run: atExit(async (dial, { origin }) => {
      const open = () => dial("origin.test", origin.port);
      const first = await open();
      const firstReader = ask(first, { mode: "echo" });
      await echoed(first, firstReader, "first");
      const second = await open();
      const secondEnds = untilEnd(ask(second, { mode: "transfer", down: 3_000 }));
      const third = await open();
      const thirdReader = ask(third, { mode: "echo" });
      await echoed(third, thirdReader, "third");
      await echoed(first, firstReader, "first again");
      third.destroy();
      await secondEnds;
      second.destroy();
      const fourth = await open();
      const fourthReader = ask(fourth, { mode: "echo" });
      await echoed(fourth, fourthReader, "fourth");
      first.destroy();
      const fifth = await open();
      await untilEnd(ask(fifth, { mode: "early-close", down: 700 }));
      await echoed(fourth, fourthReader, "fourth again");
      fifth.destroy();
      fourth.destroy();
    }),
  },
  {
    name: "resolve",
    title: "a client asks an exit for addresses and for a name",
    peer: "relay",
    run: async ({ client }) => {
      const proxy = client.socks("resolve");
      await socksResolve(proxy, "recorded.test");
      await socksResolvePtr(proxy, "198.51.100.7");
      await failsWith(socksResolve(proxy, "missing.test"));
      await pause(SETTLED_MS);
    },
  },
  {
    name: "refused",
    title: "a client asks for what an exit refuses, cannot reach and cannot find",
    peer: "relay",
    run: atExit(async (dial, { refused }) => {
      await failsWith(dial("127.0.0.1", refused));
      await failsWith(dial(FORBIDDEN, 80));
      await failsWith(dial("missing.test", 80));
    }),
  },
  {
    name: "stream-left",
    title: "a client leaves a stream in the middle of a download, and begins another",
    peer: "relay",
    run: atExit(async (dial, { origin }) => {
      const socket = await dial(origin.host, origin.port);
      await ask(socket, { mode: "slow", down: 100_000, rate: 50_000 }).exactly(20_000);
      socket.destroy();
      await pause(SETTLED_MS);
      const next = await dial(origin.host, origin.port);
      await untilEnd(ask(next, { mode: "transfer", down: 1_000 }));
      next.destroy();
    }),
  },
  {
    name: "circuit-left",
    title: "a client leaves a circuit in the middle of a download",
    peer: "relay",
    run: async (stage) => {
      const { network, allium, client, origin } = stage;
      const circuitId = await client.control.buildCircuit([
        ...network.relays.map(({ fingerprint }) => fingerprint),
        allium.fingerprint,
      ]);
      await using dialer = await PinnedDialer.open(client);
      const socket = await dialer.connect({ circuitId }, origin.host, origin.port);
      await ask(socket, { mode: "slow", down: 100_000, rate: 50_000 }).exactly(10_000);
      await client.control.closeCircuit(circuitId);
      await pause(SETTLED_MS);
    },
  },
  {
    name: "unread",
    title: "an application does not read for a while: a client's XOFF, then XON",
    peer: "relay",
    // So that little is between the application and its `tor`.
    prepare: ({ network, allium }) =>
      network.addClient({
        extraTorrc: [...toExit(network, allium), ["ConstrainedSockets", 1], ["ConstrainedSockSize", 8_192]],
      }),
    run: atExit(async (dial, { origin }) => {
      const socket = await dial(origin.host, origin.port);
      const reader = ask(socket, { mode: "transfer", down: 900_000 });
      await pause(3_000);
      await untilEnd(reader);
      socket.destroy();
    }),
  },
  {
    name: "cannibalised",
    title: "a client extends a circuit that ended at the relay, and had a stream there",
    peer: "relay",
    run: async (stage) => {
      const { network, allium, client, origin } = stage;
      const circuitId = await client.control.buildCircuit([network.relays[1]!.fingerprint, allium.fingerprint]);
      await using dialer = await PinnedDialer.open(client);
      const socket = await dialer.connect({ circuitId }, origin.host, origin.port);
      await untilEnd(ask(socket, { mode: "transfer", down: 1_000 }));
      socket.destroy();
      await client.control.extendCircuit([nextOf(stage).fingerprint], circuitId);
      await pause(SETTLED_MS);
      await client.control.closeCircuit(circuitId);
      await pause(SETTLED_MS);
    },
  },
  {
    name: "bootstrap",
    title: "a client that knows nothing but the relay bootstraps",
    peer: "client",
    // It makes other circuits too, as soon as it can.
    wants: ({ messages }) => messages.some(({ message }) => message?.command === RelayCommand.BEGIN_DIR),
    run: async ({ network, allium }) => {
      const client = await network.addClient({
        cutOff: true,
        extraTorrc: [
          ["UseDefaultFallbackDirs", 0],
          ["FallbackDir", `127.0.0.1:${allium.target.port} orport=${allium.target.port} id=${allium.fingerprint}`],
          ["EntryNodes", allium.fingerprint],
        ],
      });
      await pause(SETTLED_MS);
      await client.stop();
      await pause(SETTLED_MS);
    },
  },
  {
    name: "guard",
    title: "a client extends a circuit through its guard, uses it and closes it",
    peer: "client",
    prepare: guarded(),
    run: async (stage) => {
      const { client } = stage;
      const circuitId = await throughGuard(stage);
      await using dialer = await PinnedDialer.open(client);
      await failsWith(dialer.connect({ circuitId }, "127.0.0.1", 80));
      await client.control.closeCircuit(circuitId);
      await pause(SETTLED_MS);
    },
  },
  {
    name: "padding",
    title: "a client pads its link to an idle guard, and goes away",
    peer: "client",
    prepare: guarded(),
    run: async (stage) => {
      const { allium, client } = stage;
      const before = allium.tap.events.length;
      await throughGuard(stage);
      const isPadded = () =>
        allium.tap.events
          .slice(before)
          .some((event) => event.direction === "in" && event.link.accepted && event.command === ChannelCommand.PADDING);
      await eventually("padding", isPadded, { timeoutMs: 60_000 });
      await client.stop();
      await pause(SETTLED_MS);
    },
  },
  {
    name: "no-padding",
    title: "a client wants no padding",
    peer: "client",
    prepare: guarded(["ConnectionPadding", 0]),
    run: async (stage) => {
      const circuitId = await throughGuard(stage);
      await stage.client.control.closeCircuit(circuitId);
      await pause(SETTLED_MS);
    },
  },
  {
    name: "next-unreachable",
    title: "a client extends a circuit to a relay that is gone",
    peer: "client",
    prepare: guarded(),
    run: async ({ network, allium, client }) => {
      const gone = network.relays[0]!;
      await gone.kill();
      await pause(SETTLED_MS);
      await client.control.buildCircuit([allium.fingerprint, gone.fingerprint]).catch((error: unknown) => {
        if (!(error instanceof CircuitFailedError)) throw error;
      });
      await pause(SETTLED_MS);
    },
  },
  {
    name: "next-closes",
    title: "the next relay of a client's circuit goes away",
    peer: "client",
    prepare: guarded(),
    run: async (stage) => {
      await throughGuard(stage);
      await nextOf(stage).kill();
      await pause(SETTLED_MS);
    },
  },
];
