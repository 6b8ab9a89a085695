/** A terminal, or what stands for one. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly write: (text: string) => unknown;
}

const BAR_WIDTH = 24;
const DEFAULT_COLUMNS = 80;
const CLEAR = "\r\u001b[K";

const bar = (share: number): string => {
  const filled = Math.round(Math.min(Math.max(share, 0), 1) * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
};

/** The last line of a terminal, that is written again and again. What is no terminal gets nothing. */
export class ProgressLine {
  private readonly terminal: Terminal;
  private shown = "";

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  /** Whether there is anybody to see it. */
  get isShown(): boolean {
    return this.terminal.isTTY === true;
  }

  /** Shows how far something has come, and what it is at. @param share from 0 to 1; undefined if nobody knows */
  show(share: number | undefined, words: string): void {
    const percent = share === undefined ? "" : `${bar(share)} ${`${Math.floor(share * 100)}`.padStart(3)} %  `;
    this.set(`${percent}${words}`.slice(0, (this.terminal.columns || DEFAULT_COLUMNS) - 1));
  }

  /** Takes it away. */
  clear(): void {
    this.set("");
  }

  /** Has others write to the terminal, above it. */
  around(write: () => void): void {
    const { shown } = this;
    this.clear();
    write();
    this.set(shown);
  }

  private set(text: string): void {
    if (!this.isShown || text === this.shown) return;
    this.shown = text;
    this.terminal.write(text === "" ? CLEAR : `${CLEAR}${text}`);
  }
}
