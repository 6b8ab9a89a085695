import { Context, Effect, Layer, type Scope } from "effect";

/** `counter`: only ever grows while the process lives. `gauge`: what is now. */
export type MetricType = "counter" | "gauge";

/** One value of a metric, told apart from its others by labels. */
export interface MetricSample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A figure of the process, and how to read it. */
export interface Metric {
  /** `snake_case`, with the unit and, for counters, `_total` at its end. Never a name made of data: that is what labels are for. */
  readonly name: string;
  /** One sentence for people. */
  readonly help: string;
  readonly type: MetricType;
  /**
   * The value, or one for each set of labels. It is asked when somebody looks, and at no other time: count in a plain field of
   * your own where things happen, and read that field here. Labels tell kinds apart, never peers: whoever scrapes must not learn
   * who uses the process.
   */
  readonly read: () => number | Iterable<MetricSample>;
}

/** The samples of all metrics of one name. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly samples: ReadonlyArray<MetricSample>;
}

/** Where metrics are registered while there is something to read. */
export interface MetricsRegistry {
  /**
   * Adds a metric. Several of one name are one family: each part of a program may bring the labels that it knows of.
   *
   * @throws Error if the name is none, or is another type's already: a bug of whoever adds it
   */
  readonly add: (metric: Metric) => void;
  readonly remove: (metric: Metric) => void;
  /** Reads all metrics, ordered by name. */
  readonly collect: () => ReadonlyArray<MetricFamily>;
}

const nameShape = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

class LiveRegistry implements MetricsRegistry {
  readonly #metrics = new Set<Metric>();

  add(metric: Metric): void {
    if (!nameShape.test(metric.name)) throw new Error(`"${metric.name}" is no name of a metric`);
    for (const { name, type } of this.#metrics) {
      if (name === metric.name && type !== metric.type) throw new Error(`${name} is a ${type} already`);
    }
    this.#metrics.add(metric);
  }

  remove(metric: Metric): void {
    this.#metrics.delete(metric);
  }

  collect(): ReadonlyArray<MetricFamily> {
    const families = new Map<string, MetricFamily & { readonly samples: Array<MetricSample> }>();
    for (const { name, help, type, read } of this.#metrics) {
      const family = families.get(name) ?? { name, help, type, samples: [] };
      families.set(name, family);
      const value = read();
      if (typeof value === "number") family.samples.push({ value });
      else family.samples.push(...value);
    }
    return [...families.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }
}

/** The registry in use. By default one for the process. */
const Registry = Context.Reference<MetricsRegistry>("allium/kernel/Metrics", {
  defaultValue: () => new LiveRegistry(),
});

/**
 * The figures of a process: whoever knows one registers how to read it, and a page for a monitoring system, or a test, reads them
 * all. What is registered costs nothing until it is read.
 */
export const Metrics = {
  /** The service itself, for `Effect.provideService`. */
  Registry,
  /** A registry of one's own, for a test or for one of several networks in a process. */
  makeUnsafe: (): MetricsRegistry => new LiveRegistry(),
  /** A registry of one's own as a layer. */
  layer: Layer.sync(Registry, () => new LiveRegistry()),
  /** Registers metrics until the scope closes. */
  register: (...metrics: ReadonlyArray<Metric>): Effect.Effect<void, never, Scope.Scope> =>
    Effect.flatMap(Registry, (registry) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            for (const metric of metrics) registry.add(metric);
          }),
          () =>
            Effect.sync(() => {
              for (const metric of metrics) registry.remove(metric);
            }),
        ),
      ),
    ),
  /** All figures as they are now. */
  collect: Effect.map(Registry, (registry) => registry.collect()),
};
