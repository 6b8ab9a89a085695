import { CircuitFailedError, type ControlEvent, type TorControl, WaitTimeoutError } from "../network/index.ts";

/** What became of many circuits. */
export interface CircuitsBuilt {
  /** Ids of those that were built, in that order. */
  readonly built: Array<string>;
  failed: number;
}

/** Builds many circuits of a client over paths of our choice, several at a time. Ends with the client's events. */
export class CircuitBuilder implements AsyncDisposable {
  private readonly control: TorControl;
  private readonly outcomes: CircuitOutcomes;
  private readonly close: () => Promise<void>;

  private constructor(control: TorControl, outcomes: CircuitOutcomes, close: () => Promise<void>) {
    this.control = control;
    this.outcomes = outcomes;
    this.close = close;
  }

  static async open(control: TorControl): Promise<CircuitBuilder> {
    const events = await control.events("CIRC");
    return new CircuitBuilder(control, new CircuitOutcomes(events), () => events[Symbol.asyncDispose]());
  }

  /**
   * Builds `count` circuits over `path`, at most `concurrency` at a time. One that fails is counted, and not tried again.
   *
   * @param into where they are added to
   */
  async build(
    path: ReadonlyArray<string>,
    count: number,
    concurrency: number,
    into: CircuitsBuilt = { built: [], failed: 0 },
  ): Promise<CircuitsBuilt> {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left--;
        const circuitId = await this.control.extendCircuit(path);
        try {
          into.built.push(await this.outcomes.of(circuitId));
        } catch (error) {
          if (!(error instanceof CircuitFailedError)) throw error;
          into.failed++;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
    return into;
  }

  /** Closes circuits. One that is gone already is none the less. */
  async closeAll(circuits: ReadonlyArray<string>): Promise<void> {
    for (const circuitId of circuits) await this.control.closeCircuit(circuitId).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Tells many waiters apart that one stream of CIRC events answers. */
class CircuitOutcomes {
  private readonly waiting = new Map<string, PromiseWithResolvers<string>>();

  constructor(events: AsyncIterable<ControlEvent>) {
    void this.run(events);
  }

  /** The circuit's id once it is built. @throws CircuitFailedError, WaitTimeoutError when the events end first */
  of(circuitId: string): Promise<string> {
    return this.waiter(circuitId).promise;
  }

  private waiter(circuitId: string): PromiseWithResolvers<string> {
    const known = this.waiting.get(circuitId) ?? Promise.withResolvers<string>();
    // An outcome that comes before anybody asks for it is not an unhandled rejection.
    known.promise.catch(() => {});
    this.waiting.set(circuitId, known);
    return known;
  }

  private async run(events: AsyncIterable<ControlEvent>): Promise<void> {
    for await (const { words, fields } of events) {
      const [circuitId = "", status] = words;
      if (status === "BUILT") this.waiter(circuitId).resolve(circuitId);
      else if (status === "FAILED" || status === "CLOSED") {
        this.waiter(circuitId).reject(
          new CircuitFailedError(circuitId, fields["REASON"] ?? "UNKNOWN", fields["REMOTE_REASON"]),
        );
      }
    }
    for (const { reject } of this.waiting.values()) reject(new WaitTimeoutError("circuits", 0, "no more events"));
  }
}
