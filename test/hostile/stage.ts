import { ChannelCommand, destroyReasonName, RelayCommand } from "@allium/cell";
import type { Arena } from "./case.ts";
import { create, createFirst, describeEvent, HostileCircuit, type RelayEvent } from "./circuit.ts";
import { authenticate, hello, netinfoCell } from "./handshake.ts";
import { type AskedCircuit, HostileRelay, type HostileRelayOptions } from "./hostile-relay.ts";
import { randomBytes } from "./identity.ts";
import { LinkPeer, type ReceivedCell } from "./link-peer.ts";

/** How long a relay may take for an answer before it counts as none: it may be held up for seconds by all else that a machine does. */
export const PATIENCE_MS = 10_000;

/** Streams from here on are probes. */
const FIRST_PROBE = 0xff00;

/** An address that the exits' policies refuse: a question that is always answered, and leaves nothing behind. */
export const FORBIDDEN = "127.0.0.66";

let probes = 0;

/** Whether a circuit still serves its client. */
export const isServed = async (circuit: HostileCircuit, timeoutMs = PATIENCE_MS): Promise<boolean> => {
  const streamId = FIRST_PROBE + (probes++ % 0xff);
  const before = circuit.events.filter((event) => event.streamId === streamId).length;
  circuit.begin(streamId, `${FORBIDDEN}:80`);
  return await circuit.receives(RelayCommand.END, streamId, before + 1, timeoutMs);
};

/** Messages that come and go with the traffic, and not for what a peer does. */
const isTraffic = ({ command }: RelayEvent): boolean =>
  command === RelayCommand.DATA ||
  command === RelayCommand.SENDME ||
  command === RelayCommand.XON ||
  command === RelayCommand.XOFF;

/** Waits until `look` finds something: what two peers are told of, and not one alone. `undefined` if it never does. */
const settles = async <A>(look: () => A | undefined): Promise<A | undefined> => {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = look();
    if (found !== undefined || performance.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/**
 * Waits until something has come of an attack, with a question on the neighbour now and then: `tor` may keep a DESTROY until the
 * channel has something else to send.
 */
export const comesOf = async ({ peer, neighbour }: ChannelStage, happened: () => boolean): Promise<void> => {
  const deadline = performance.now() + PATIENCE_MS;
  const look = (): true | undefined => (happened() || peer.closed ? true : undefined);
  while (performance.now() < deadline && (await peer.until(look, 300)) === undefined) await isServed(neighbour);
};

const reasonOf = (reason: number): string => destroyReasonName(reason) ?? String(reason);

/** What came back, as the answer of a case. */
const asAnswer = (parts: ReadonlyArray<string>): string =>
  parts.length === 0 ? "ignored" : parts.filter((part, index) => part !== parts[index - 1]).join(", ");

/** Runs something with a connection that ends after it. */
const withPeer = async <A>(arena: Arena, use: (peer: LinkPeer) => Promise<A>): Promise<A> => {
  const peer = await LinkPeer.connect(arena.target.port);
  try {
    return await use(peer);
  } finally {
    peer.destroy();
  }
};

/** What an attack on the handshake has to work with. */
export interface HandshakeStage {
  readonly arena: Arena;
  /** TLS is done, and nothing else. */
  readonly peer: LinkPeer;
}

/**
 * An attack on the link handshake. Answers: `ignored` if the channel works in spite of it, `closes the channel`, or `waits` if
 * neither is so.
 */
export const onHandshake =
  (attack: (stage: HandshakeStage) => Promise<void>) =>
  (arena: Arena): Promise<string> =>
    withPeer(arena, async (peer) => {
      await attack({ arena, peer });
      if (peer.closed) return "closes the channel";
      const works = await createFirst(peer, PATIENCE_MS).then(
        () => true,
        () => false,
      );
      return peer.closed ? "closes the channel" : works ? "ignored" : "waits";
    });

/** What an attack on an open channel has to work with. */
export interface ChannelStage {
  readonly arena: Arena;
  readonly peer: LinkPeer;
  /** A circuit of one hop, of which the attack is to spare the channel. */
  readonly neighbour: HostileCircuit;
}

/**
 * An attack on an open channel, as a client. What the attack returns comes first in the answer; then what came on circuits
 * that do not exist.
 */
export const onChannel =
  (attack: (stage: ChannelStage) => Promise<string | undefined>) =>
  (arena: Arena): Promise<string> =>
    withPeer(arena, async (peer) => {
      await hello(peer);
      peer.send(netinfoCell());
      const neighbour = await createFirst(peer);
      peer.cells.length = 0;
      const told = await attack({ arena, peer, neighbour });
      const served = peer.closed ? false : await isServed(neighbour);
      const parts = told === undefined ? [] : [told];
      for (const { command, body } of peer.cells) {
        parts.push(command === ChannelCommand.DESTROY ? `DESTROY ${reasonOf(body[0] ?? 0)}` : nameOf(command));
      }
      if (peer.closed) parts.push("closes the channel");
      else if (neighbour.destroyed !== undefined) parts.push("the neighbour is destroyed");
      else if (!served) parts.push("the neighbour is not served");
      return asAnswer(parts);
    });

/** Asks for a circuit with any cell: what comes back for its ID, if anything does. */
export const outcomeOfCreate = async (
  peer: LinkPeer,
  circId: number,
  command: number,
  body: Buffer,
): Promise<string | undefined> => {
  const circuit = new HostileCircuit(peer, circId);
  peer.sendCell(circId, command, body);
  const answered = await peer.until(
    () => (circuit.created !== undefined || circuit.destroyed !== undefined || peer.closed ? true : undefined),
    PATIENCE_MS,
  );
  if (answered === undefined) return "no answer";
  if (circuit.destroyed !== undefined) return `DESTROY ${reasonOf(circuit.destroyed)}`;
  return circuit.created === undefined
    ? undefined
    : command === ChannelCommand.CREATE_FAST
      ? "CREATED_FAST"
      : "CREATED2";
};

const nameOf = (command: number): string =>
  Object.entries(ChannelCommand).find(([, value]) => value === command)?.[0] ?? `command ${command}`;

/** Opens a channel as a client. The caller's, to destroy. */
export const openAsClient = async (arena: Arena): Promise<LinkPeer> => {
  const peer = await LinkPeer.connect(arena.target.port);
  await hello(peer);
  peer.send(netinfoCell());
  return peer;
};

/** What an attack on a circuit has to work with. */
export interface CircuitStage extends ChannelStage {
  /** The circuit that the attack is on. */
  readonly circuit: HostileCircuit;
}

/** How the circuit under attack is made. */
export interface CircuitOptions {
  /** By ntor-v3, with congestion control. @default by ntor, with fixed windows */
  readonly congestionControl?: boolean;
  /** Opened before the attack, as stream 1, to this service. */
  readonly stream?: keyof Arena["services"];
}

/** Opens a channel as a relay, with a neighbour and a circuit for the attack. */
const openCircuits = async (arena: Arena, peer: LinkPeer, options: CircuitOptions): Promise<CircuitStage> => {
  await authenticate(peer, arena.identity);
  const neighbour = await create(peer, arena.target);
  const circuit = await create(peer, arena.target, options.congestionControl);
  if (options.stream !== undefined) await circuit.connect(1, `127.0.0.1:${arena.services[options.stream]}`);
  return { arena, peer, neighbour, circuit };
};

/** Opens a channel as a relay, with two circuits that end at the target. The caller's, to destroy. */
export const openAsRelay = async (arena: Arena, options: CircuitOptions = {}): Promise<CircuitStage> =>
  await openCircuits(arena, await LinkPeer.connect(arena.target.port), options);

/** What has come of an attack on a circuit. */
const resultOf = async (
  { peer, circuit, neighbour }: CircuitStage,
  told: string | undefined,
  seen: number,
  works: () => Promise<boolean>,
): Promise<string> => {
  // Twice: what the first question overtook has come before the second is answered. The neighbour's question goes with them:
  // `tor` may keep a DESTROY until the channel has something else to send.
  let served = true;
  let neighbourServed = true;
  for (const _ of [1, 2]) {
    const asked: readonly [boolean, boolean] = await Promise.all([served && works(), isServed(neighbour)]);
    served &&= asked[0];
    neighbourServed &&= asked[1];
  }
  const parts = told === undefined ? [] : [told];
  for (const event of circuit.events.slice(seen)) {
    if (!isTraffic(event) && event.streamId < FIRST_PROBE && event.command >= 0) parts.push(describeEvent(event));
  }
  if (circuit.early > 0) parts.push("RELAY_EARLY");
  if (peer.closed) parts.push("closes the channel");
  else {
    if (circuit.destroyed !== undefined) parts.push(`DESTROY ${reasonOf(circuit.destroyed)}`);
    else if (!served) parts.push("serves the circuit no more");
    if (!neighbourServed) parts.push("the neighbour is not served");
  }
  return asAnswer(parts);
};

/** An attack on a circuit that ends at the target, as a relay that asks for it to be an exit. */
export const onCircuit =
  (attack: (stage: CircuitStage) => Promise<string | undefined> | string | undefined, options: CircuitOptions = {}) =>
  (arena: Arena): Promise<string> =>
    withPeer(arena, async (peer) => {
      const stage = await openCircuits(arena, peer, options);
      const seen = stage.circuit.events.length;
      const told = await attack(stage);
      return await resultOf(stage, told, seen, () => isServed(stage.circuit));
    });

/** What an attack from the far side of a circuit has to work with. */
export interface FarStage extends CircuitStage {
  /** Whom the circuit is being extended to. */
  readonly relay: HostileRelay;
  /** The target's CREATE2, not answered yet. */
  readonly far: AskedCircuit;
  /** Answers it, so that the circuit has two hops. */
  readonly extended: () => Promise<void>;
  /** The circuit ends at the target (again). */
  readonly endsHere: () => void;
}

/** Whether cells pass through the target, both ways. Nobody there can read them. */
const passesThrough = async (circuit: HostileCircuit, far: AskedCircuit): Promise<boolean> => {
  const cells = () => far.peer.cells.filter(({ command }) => command === ChannelCommand.RELAY).length;
  const noise = () => circuit.events.filter(({ command }) => command < 0).length;
  const [cellsBefore, noiseBefore] = [cells(), noise()];
  circuit.peer.sendCell(circuit.circId, ChannelCommand.RELAY, randomBytes(509));
  const isOver = () => far.peer.closed || circuit.peer.closed || circuit.destroyed !== undefined;
  const came = await settles(() => (cells() > cellsBefore ? true : isOver() ? false : undefined));
  if (came !== true) return false;
  far.peer.sendCell(far.circId, ChannelCommand.RELAY, randomBytes(509));
  return (await settles(() => (noise() > noiseBefore ? true : isOver() ? false : undefined))) === true;
};

/** An attack by the next relay of a circuit through the target. Also tells what the next relay saw of the end. */
export const onFarSide =
  (attack: (stage: FarStage) => Promise<string | undefined>, options: HostileRelayOptions = {}) =>
  (arena: Arena): Promise<string> =>
    withPeer(arena, async (peer) => {
      await using relay = await HostileRelay.start(await arena.freePort(), options);
      const stage = await openCircuits(arena, peer, {});
      const { circuit } = stage;
      circuit.extend(relay.target);
      const far = await relay.asked();
      const extended = async (): Promise<void> => {
        const reply = randomBytes(64);
        far.peer.sendCell(far.circId, ChannelCommand.CREATED2, Buffer.concat([Buffer.of(0, 64), reply]));
        if (!(await circuit.receives(RelayCommand.EXTENDED2, 0))) throw new Error("no EXTENDED2");
        seen = circuit.events.length;
      };
      let seen = circuit.events.length;
      let works = () => passesThrough(circuit, far);
      let endedHere = false;
      const endsHere = (): void => {
        endedHere = true;
        works = () => isServed(circuit);
      };
      const told = await attack({ ...stage, relay, far, extended, endsHere });
      const answer = await resultOf(stage, told, seen, () => works());
      const destroyOf = (): ReceivedCell | undefined =>
        far.peer.cells.find((cell) => cell.command === ChannelCommand.DESTROY && cell.circId === far.circId);
      const isOver = circuit.destroyed !== undefined || answer.includes("no more") || endedHere;
      if (isOver && destroyOf() === undefined && !far.peer.closed) {
        // `tor` may keep it until the channel has something else to send: another CREATE2.
        stage.neighbour.extend(relay.target);
        const hasCome = () => destroyOf() ?? (far.peer.closed ? true : undefined);
        await settles(() => hasCome() ?? (wantsCircuit(far.peer) ? true : undefined));
        // They have queues of their own.
        await far.peer.until(hasCome, 700);
      }
      const destroyed = destroyOf();
      const seenThere = far.peer.closed
        ? "the next channel is closed"
        : destroyed === undefined
          ? undefined
          : `to the next relay DESTROY ${reasonOf(destroyed.body[0] ?? 0)}`;
      return seenThere === undefined ? answer : `${answer}, ${seenThere}`;
    });

/** A circuit is extended to a relay whose handshake is an attack. */
export const onExtendTo =
  (options: HostileRelayOptions) =>
  (arena: Arena): Promise<string> =>
    withPeer(arena, async (peer) => {
      await using relay = await HostileRelay.start(await arena.freePort(), options);
      const stage = await openCircuits(arena, peer, {});
      const { circuit } = stage;
      circuit.extend(relay.target);
      await circuit.peer.until(
        () =>
          circuit.destroyed !== undefined || circuit.events.length > 0 || relay.channels.some(wantsCircuit)
            ? true
            : undefined,
        PATIENCE_MS,
      );
      const told = relay.channels.some(wantsCircuit) ? "CREATE2 to the next relay" : undefined;
      return await resultOf(stage, told, 0, async () => circuit.destroyed === undefined);
    });

const wantsCircuit = (peer: LinkPeer): boolean => peer.cells.some(({ command }) => command === ChannelCommand.CREATE2);
