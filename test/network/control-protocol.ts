/** One line of a reply: its text after the status, and the data block that a `+` line brings. */
export interface ControlLine {
  readonly text: string;
  readonly data?: string;
}

/** A whole reply, or a whole asynchronous event (code 650). */
export interface ControlMessage {
  readonly code: number;
  readonly lines: ReadonlyArray<ControlLine>;
}

/** The other end does not speak the control protocol. */
export class ControlSyntaxError extends Error {
  readonly _tag = "ControlSyntaxError";
  readonly line: string;

  constructor(line: string) {
    super(`not a control protocol line: ${JSON.stringify(line)}`);
    this.line = line;
  }
}

/**
 * Cuts the byte stream of a control port into messages (control-spec section 2.3: `250-`, `250+` with data up to a lone
 * dot, `250 ` for the last line).
 */
export class ControlParser {
  private rest = "";
  private lines: Array<ControlLine> = [];
  private dataFor: string | undefined;
  private data: Array<string> = [];

  /** @throws ControlSyntaxError */
  push(chunk: string): ReadonlyArray<ControlMessage> {
    const messages: Array<ControlMessage> = [];
    const lines = (this.rest + chunk).split("\r\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = this.line(line);
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  private line(line: string): ControlMessage | undefined {
    if (this.dataFor !== undefined) {
      if (line !== ".") {
        this.data.push(line.startsWith(".") ? line.slice(1) : line);
        return undefined;
      }
      this.lines.push({ text: this.dataFor, data: this.data.join("\n") });
      this.dataFor = undefined;
      this.data = [];
      return undefined;
    }
    const match = /^(\d{3})([-+ ])(.*)$/.exec(line);
    if (match === null) throw new ControlSyntaxError(line);
    const text = match[3]!;
    if (match[2] === "+") {
      this.dataFor = text;
      return undefined;
    }
    this.lines.push({ text });
    if (match[2] === "-") return undefined;
    const message = { code: Number(match[1]), lines: this.lines };
    this.lines = [];
    return message;
  }
}

/** An asynchronous event, cut into its words and its `KEY=value` fields. */
export interface ControlEvent {
  /** `CIRC`, `STREAM`, `NEWCONSENSUS`, ... */
  readonly type: string;
  /** The positional words after the type. */
  readonly words: ReadonlyArray<string>;
  /** The `KEY=value` fields, unquoted. */
  readonly fields: Readonly<Record<string, string>>;
  /** The data block, for events that have one. */
  readonly data?: string;
  /** The first line as it came, without the status. */
  readonly text: string;
}

/** Cuts `text` at spaces outside double quotes. */
const splitWords = (text: string): ReadonlyArray<string> => text.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g) ?? [];

const unquote = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;

export const parseEvent = (message: ControlMessage): ControlEvent => {
  const first = message.lines[0]?.text ?? "";
  const words: Array<string> = [];
  const fields: Record<string, string> = {};
  for (const word of splitWords(first)) {
    const field = /^([A-Z0-9_]+)=(.*)$/s.exec(word);
    if (field === null) words.push(word);
    else fields[field[1]!] = unquote(field[2]!);
  }
  const [type = "", ...rest] = words;
  const data = message.lines.find((line) => line.data !== undefined)?.data;
  return { type, words: rest, fields, text: first, ...(data === undefined ? {} : { data }) };
};
