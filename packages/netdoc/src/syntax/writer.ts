const lineWidth = 64;

/** Writes a document item by item (dir-spec 1.2). Whoever calls it has checked that arguments are free of newlines. */
export class DocumentWriter {
  #text = "";

  /** A keyword line; arguments that are empty leave nothing behind. */
  item(keyword: string, ...words: ReadonlyArray<string | number>): this {
    this.#text += [keyword, ...words].join(" ");
    this.#text += "\n";
    return this;
  }

  /** The object of the item before it. */
  object(label: string, bytes: Uint8Array): this {
    const encoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
    this.#text += `-----BEGIN ${label}-----\n`;
    for (let at = 0; at < encoded.length; at += lineWidth) this.#text += `${encoded.slice(at, at + lineWidth)}\n`;
    this.#text += `-----END ${label}-----\n`;
    return this;
  }

  /** The beginning of a line whose rest depends on all that stands before it, this included. */
  begin(text: string): this {
    this.#text += text;
    return this;
  }

  /** All that was written. */
  get text(): string {
    return this.#text;
  }
}
