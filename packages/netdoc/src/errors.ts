/** The kinds of document that this package reads. */
export type DocumentKind =
  | "consensus"
  | "microdescriptor"
  | "authority certificate"
  | "router descriptor"
  | "extra-info document";

/** What is wrong with the text of a document; see {@link NetdocError}. */
export type NetdocProblem =
  /** The bytes are not UTF-8. */
  | "not-utf8"
  /** The text begins with a byte order mark. */
  | "byte-order-mark"
  /** A NUL anywhere, or another control character where there is no free text. */
  | "control-character"
  /** A character outside ASCII where only free text may have one. */
  | "not-ascii"
  /** The last line does not end. */
  | "missing-newline"
  /** A line is longer than {@link maxLineLength}. */
  | "line-too-long"
  /** A line does not begin with a keyword followed by whitespace or the end of the line. */
  | "bad-keyword"
  /** An annotation (`@...`), which belongs in files and never in a document that was sent. */
  | "unexpected-annotation"
  /** An object that follows no keyword line. */
  | "stray-object"
  /** A `-----BEGIN` line that is malformed. */
  | "bad-object-begin"
  /** No `-----END` line, or one that does not match its `-----BEGIN`. */
  | "bad-object-end"
  /** An object of the wrong kind, or on an item that has none. */
  | "unexpected-object"
  /** An item without the object that it must have. */
  | "missing-object"
  /** The object's content is not base64, or not what the item needs. */
  | "bad-object"
  /** There is no document at all. */
  | "empty"
  /** An item that must be there is not. */
  | "missing-item"
  /** An item is there more often than it may be. */
  | "duplicate-item"
  /** An item in the wrong place. */
  | "misplaced-item"
  /** Too few arguments. */
  | "missing-argument"
  /** More arguments than the item may have. */
  | "extra-argument"
  /** An argument that is not what it should be. */
  | "bad-argument"
  /** The document's version, or that of a part of it, is not one we know. */
  | "unknown-version";

/**
 * A document whose text is wrong (dir-spec 1.2, and the tables of the single documents). The position is that of the first
 * byte at fault; lines and columns count from one, and columns count bytes.
 */
export class NetdocError extends Error {
  readonly _tag = "NetdocError";
  /** The kind of document that was being read. */
  readonly document: DocumentKind;
  /** What was wrong. */
  readonly problem: NetdocProblem;
  /** The line, in the whole text that was given to the parser. */
  readonly line: number;
  /** The column, in bytes. */
  readonly column: number;
  /** The keyword of the item, if the error was in one or is about one. */
  readonly keyword: string | undefined;

  constructor(
    document: DocumentKind,
    problem: NetdocProblem,
    detail: string,
    position: { readonly line: number; readonly column: number },
    keyword?: string,
  ) {
    const item = keyword === undefined ? "" : ` "${keyword}"`;
    super(`${document}, line ${position.line}, column ${position.column}:${item} ${detail} (${problem})`);
    this.name = "NetdocError";
    this.document = document;
    this.problem = problem;
    this.line = position.line;
    this.column = position.column;
    this.keyword = keyword;
  }
}

/** Why a well-formed document must not be believed; see {@link VerificationError}. */
export type VerificationProblem =
  /** A signature does not fit the document or its key. */
  | "bad-signature"
  /** Two of the document's statements contradict each other, or one contradicts its keys. */
  | "inconsistent"
  /** A certificate inside the document is no certificate, or not one for this place. */
  | "bad-certificate"
  /** Not more than half of the trusted authorities have signed. */
  | "too-few-signatures";

/** A document that is well formed but does not prove what it says. */
export class VerificationError extends Error {
  readonly _tag = "VerificationError";
  /** The kind of document. */
  readonly document: DocumentKind;
  /** Why it must not be believed. */
  readonly problem: VerificationProblem;
  /** The item whose statement failed. */
  readonly keyword: string;

  constructor(document: DocumentKind, problem: VerificationProblem, keyword: string, detail: string, cause?: unknown) {
    super(`${document}: "${keyword}" ${detail} (${problem})`, cause === undefined ? undefined : { cause });
    this.name = "VerificationError";
    this.document = document;
    this.problem = problem;
    this.keyword = keyword;
  }
}

/** What is wrong with a consensus diff, or with making one; see {@link ConsensusDiffError}. */
export type ConsensusDiffProblem =
  /** It does not begin with the line `network-status-diff-version 1`. */
  | "unknown-version"
  /** Its second line does not name two digests. */
  | "bad-digests"
  /** The last line does not end; in the diff, or in a consensus. */
  | "missing-newline"
  /** A line that is none of the commands that a diff may have. */
  | "bad-command"
  /** A command about lines that are not there, or that it must not name. */
  | "bad-range"
  /** A command about lines behind those of the one before it. */
  | "out-of-order"
  /** Lines to be added that end with no lone dot, or no lines at all. */
  | "bad-insertion"
  /** The consensus is not the one that the diff starts from. */
  | "wrong-base"
  /** The consensus that comes of it is not the one that it promises. */
  | "wrong-result"
  /** A document that is no signed consensus, or has a line that no diff can carry. */
  | "no-consensus";

/** A consensus diff that is malformed, does not fit, or cannot be made (dir-spec 4.5 and appendix E). */
export class ConsensusDiffError extends Error {
  readonly _tag = "ConsensusDiffError";
  /** What was wrong. */
  readonly problem: ConsensusDiffProblem;
  /** The same in words. */
  readonly detail: string;
  /** The line of the diff, from one; undefined if it is about no line of it. */
  readonly line: number | undefined;

  constructor(problem: ConsensusDiffProblem, detail: string, line?: number) {
    super(`consensus diff${line === undefined ? "" : `, line ${line}`}: ${detail} (${problem})`);
    this.name = "ConsensusDiffError";
    this.problem = problem;
    this.detail = detail;
    this.line = line;
  }
}

/** A document that is not valid at the time at which it was asked. */
export class ValidityError extends Error {
  readonly _tag = "ValidityError";
  /** The kind of document. */
  readonly document: DocumentKind;
  /** On which side of its lifetime the time lies. */
  readonly problem: "not-yet-valid" | "expired";
  /** The end of the lifetime that was missed, in milliseconds since 1970. */
  readonly bound: number;
  /** The time that was asked about, in milliseconds since 1970. */
  readonly now: number;

  constructor(document: DocumentKind, problem: "not-yet-valid" | "expired", bound: number, now: number) {
    const verb = problem === "expired" ? "expired at" : "is not valid before";
    super(`${document} ${verb} ${new Date(bound).toISOString()}, and it is ${new Date(now).toISOString()}`);
    this.name = "ValidityError";
    this.document = document;
    this.problem = problem;
    this.bound = bound;
    this.now = now;
  }
}

/** A document of ours that cannot be written, because what it should say has no form in the specification. */
export class WriteError extends Error {
  readonly _tag = "WriteError";
  /** The kind of document. */
  readonly document: DocumentKind;
  /** The field of the description that is wrong. */
  readonly field: string;

  constructor(document: DocumentKind, field: string, detail: string) {
    super(`cannot write ${document}: ${field} ${detail}`);
    this.name = "WriteError";
    this.document = document;
    this.field = field;
  }
}

/** What is wrong with an exit policy rule or a summary; see {@link PolicyError}. */
export type PolicyProblem =
  /** It begins with neither `accept`, `accept6`, `reject` nor `reject6`. */
  | "bad-action"
  /** The address is none of the forms that a policy may have. */
  | "bad-address"
  /** The mask is no number of bits, no address mask, or out of range. */
  | "bad-mask"
  /** The port is no port, no range and not `*`. */
  | "bad-ports"
  /** `accept6` or `reject6` with an IPv4 address. */
  | "wrong-family"
  /** Something follows the rule. */
  | "trailing-text";

/** An exit policy that cannot be understood. */
export class PolicyError extends Error {
  readonly _tag = "PolicyError";
  /** What was wrong. */
  readonly problem: PolicyProblem;
  /** The rule as it was given. */
  readonly text: string;
  /** Where in the rule, in characters from its beginning. */
  readonly offset: number;

  constructor(problem: PolicyProblem, text: string, offset: number, detail: string) {
    super(`exit policy "${text}", at character ${offset + 1}: ${detail} (${problem})`);
    this.name = "PolicyError";
    this.problem = problem;
    this.text = text;
    this.offset = offset;
  }
}
