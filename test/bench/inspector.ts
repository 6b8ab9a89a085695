import { eventually } from "../network/index.ts";
import type { CpuProfile } from "./cpu-profile.ts";

/** The platform's inspector refused a command. */
export class InspectorError extends Error {
  readonly _tag = "InspectorError";
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/**
 * Asks a process on Node, started with `--inspect`, from outside: a profile of just the work that is measured, a full collection
 * of garbage, an expression's value. It costs the process nothing while nothing is asked.
 */
export class Inspector implements AsyncDisposable {
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, PromiseWithResolvers<unknown>>();
  private lastId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => this.receive(JSON.parse(String(data)) as Answer));
    socket.addEventListener("close", () => {
      for (const { reject } of this.waiting.values()) reject(new InspectorError("the process has ended"));
    });
  }

  /** @throws WaitTimeoutError */
  static async connect(port: number): Promise<Inspector> {
    const [target] = await eventually(`the inspector at port ${port}`, async () => {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/json/list`);
        return (await response.json()) as ReadonlyArray<{ readonly webSocketDebuggerUrl: string }>;
      } catch {
        return undefined;
      }
    });
    if (target === undefined) throw new InspectorError(`nothing to inspect at port ${port}`);
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve(), { once: true });
      socket.addEventListener("error", () => reject(new InspectorError("no connection")), { once: true });
    });
    return new Inspector(socket);
  }

  /** The value of an expression, which must be one of JSON. */
  async evaluate<A>(expression: string): Promise<A> {
    const { result } = await this.send<{ readonly result: { readonly value: A } }>("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    return result.value;
  }

  /** Frees all that is garbage. */
  async collectGarbage(): Promise<void> {
    await this.send("HeapProfiler.collectGarbage");
  }

  /** Samples the main thread while `work` lasts. */
  async profile<A>(work: () => Promise<A>, everyMicros: number): Promise<readonly [A, CpuProfile]> {
    await this.send("Profiler.enable");
    await this.send("Profiler.setSamplingInterval", { interval: everyMicros });
    await this.send("Profiler.start");
    const result = await work();
    const { profile } = await this.send<{ readonly profile: CpuProfile }>("Profiler.stop");
    await this.send("Profiler.disable");
    return [result, profile];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
  }

  private async send<A>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<A> {
    const id = ++this.lastId;
    const answer = Promise.withResolvers<unknown>();
    this.waiting.set(id, answer);
    this.socket.send(JSON.stringify({ id, method, params }));
    return (await answer.promise) as A;
  }

  private receive({ id, result, error }: Answer): void {
    if (id === undefined) return;
    const answer = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new InspectorError(error.message));
  }
}
