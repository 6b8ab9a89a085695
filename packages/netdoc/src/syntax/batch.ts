import { type DocumentKind, NetdocError, VerificationError } from "../errors.ts";
import { runSteps, type Steps } from "../steps.ts";
import { Source } from "./source.ts";

/** A document of a batch that could not be used. */
export interface Rejection {
  /** Where its text begins in the input, in bytes. */
  readonly start: number;
  /** Where its text ends. */
  readonly end: number;
  /** What was wrong with it. Lines count from the beginning of the whole input. */
  readonly error: NetdocError | VerificationError;
}

/** What came of a text in which many documents follow each other: one that is wrong does not spoil the others. */
export interface Batch<A> {
  readonly documents: ReadonlyArray<A>;
  readonly rejected: ReadonlyArray<Rejection>;
}

const newline = 0x0a;
const annotationMark = 0x40;

/**
 * Reads documents that follow each other without anything between them, as directories send them and keep them in files.
 *
 * @param start the keyword that begins every one of them. Annotations right before it belong to the document
 * @param parse reads one; it may throw `NetdocError` and `VerificationError`, anything else escapes
 */
export const parseBatch = <A>(
  document: DocumentKind,
  input: string | Uint8Array,
  start: string,
  parse: (source: Source) => A,
): Batch<A> => runSteps(parseBatchSteps(document, input, start, parse));

/** As {@link parseBatch}, in steps: there is a pause after each document. */
export function* parseBatchSteps<A>(
  document: DocumentKind,
  input: string | Uint8Array,
  start: string,
  parse: (source: Source) => A,
): Steps<Batch<A>> {
  const whole = Source.of(document, input);
  const documents: Array<A> = [];
  const rejected: Array<Rejection> = [];
  for (const source of split(whole, start)) {
    try {
      documents.push(parse(source));
    } catch (error) {
      if (!(error instanceof NetdocError || error instanceof VerificationError)) throw error;
      rejected.push({ start: source.start, end: source.end, error });
    }
    yield;
  }
  return { documents, rejected };
}

/** The parts of a text, each of which begins with a line of the keyword or with the annotations before it. */
const split = (whole: Source, keyword: string): ReadonlyArray<Source> => {
  const { text, start, end } = whole;
  const bounds: Array<number> = [];
  for (let at = start; at < end; ) {
    if (text.startsWith(keyword, at) && endsWord(text.charCodeAt(at + keyword.length))) {
      const from = beforeAnnotations(text, at, bounds.at(-1) ?? start);
      bounds.push(from);
    }
    const next = text.indexOf(`\n${keyword}`, at);
    at = next < 0 ? end : next + 1;
  }
  // What stands before the first document is a part of its own, to be rejected; but blank lines are nothing.
  if (text.slice(start, bounds[0] ?? end).search(/[^\n]/) >= 0) bounds.unshift(start);
  return bounds.map((bound, index) => whole.part(bound, bounds[index + 1] ?? end));
};

const endsWord = (code: number): boolean => !(code > 0x20);

/** The beginning of the annotation lines that end at an offset; the offset itself, if there are none. */
const beforeAnnotations = (text: string, at: number, limit: number): number => {
  let from = at;
  while (from > limit) {
    // A search from before the text would begin at its first character instead.
    const line = from < 2 ? 0 : text.lastIndexOf("\n", from - 2) + 1;
    if (line < limit || text.charCodeAt(line) !== annotationMark || text.charCodeAt(from - 1) !== newline) break;
    from = line;
  }
  return from;
};
