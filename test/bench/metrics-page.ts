/** What a relay tells of itself at one moment, as its metrics page has it. */
export class MetricsPage {
  private readonly samples: ReadonlyArray<{
    readonly name: string;
    readonly labels: ReadonlyMap<string, string>;
    readonly value: number;
  }>;

  /** @param text in the text format of Prometheus */
  constructor(text: string) {
    this.samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = "", labels = "", value]) => ({
      name,
      labels: new Map([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", of = ""]) => [label, of])),
      value: Number(value),
    }));
  }

  /** Asks the relay that serves its metrics at a port of this machine. */
  static async of(port: number): Promise<MetricsPage> {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    return new MetricsPage(await response.text());
  }

  /** The samples of that name that have these labels among theirs, added up; zero when there are none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels);
    return this.samples
      .filter((sample) => sample.name === name && wanted.every(([label, of]) => sample.labels.get(label) === of))
      .reduce((total, { value }) => total + value, 0);
  }
}
