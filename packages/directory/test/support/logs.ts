import { type Layer, Logger, type LogLevel } from "effect";

/** Gathers what is logged, so that tests can say what an operator would read. */
export class Logs {
  readonly lines: Array<{ readonly level: LogLevel.LogLevel; readonly text: string }> = [];

  get layer(): Layer.Layer<never> {
    return Logger.layer([
      Logger.make(({ logLevel, message }) => {
        this.lines.push({ level: logLevel, text: String(Array.isArray(message) ? message[0] : message) });
      }),
    ]);
  }

  /** Lines of a level that contain a text. */
  find(level: LogLevel.LogLevel, text: string): ReadonlyArray<string> {
    return this.lines.filter((line) => line.level === level && line.text.includes(text)).map((line) => line.text);
  }
}
