import type { DocumentKind } from "../errors.ts";
import type { Item } from "./item.ts";
import type { ItemReader } from "./reader.ts";

/** How often an item may stand in its section (dir-spec 1.2, the tags in brackets). */
export type Count = "once" | "maybe" | "some" | "any";

/** Where an item must stand, if there is a rule. */
export type Place = "first" | "second" | "last-but-one" | "last";

/** What an item must look like. */
export interface ItemRule {
  /** Exactly once, at most once, once or more, any number. */
  readonly count: Count;
  /** The fewest arguments; none by default. */
  readonly min?: number;
  /** The most arguments, for items that the specification tags "no extra arguments". */
  readonly max?: number;
  /** The labels of the object that it must have. Without this, it must have none. */
  readonly object?: ReadonlyArray<string>;
  /** Whether the object may be left out. */
  readonly objectOptional?: boolean;
  /** Where it must stand. */
  readonly place?: Place;
  /** Whether what follows the keyword is free text, in which every character is welcome but NUL and newline. */
  readonly text?: boolean;
}

/** The items that a section may have. Others are skipped, for the sake of what comes later (dir-spec 1.2). */
export type RuleTable = Readonly<Record<string, ItemRule>>;

type WithCount<Table extends RuleTable, Wanted extends Count> = {
  [Keyword in keyof Table]: Table[Keyword]["count"] extends Wanted ? Keyword : never;
}[keyof Table] &
  string;

const unprintable = /[^\t -~]/;
const asciiEnd = 0x80;

/**
 * One part of a document, its items found and checked against a table. The getters follow the table's types: only an item
 * that must be there exactly once can be had without asking whether it is.
 */
export class Section<Table extends RuleTable> {
  readonly #kind: SectionKind<Table>;
  readonly #found: ReadonlyArray<Item | ReadonlyArray<Item> | undefined>;

  constructor(kind: SectionKind<Table>, found: ReadonlyArray<Item | ReadonlyArray<Item> | undefined>) {
    this.#kind = kind;
    this.#found = found;
  }

  /** An item that is there exactly once. */
  one(keyword: WithCount<Table, "once">): Item {
    return this.#single(keyword) as Item;
  }

  /** An item that is there at most once. */
  maybe(keyword: WithCount<Table, "maybe">): Item | undefined {
    return this.#single(keyword);
  }

  /** All items of one keyword, in their order. */
  all(keyword: WithCount<Table, "any" | "some">): ReadonlyArray<Item> {
    return (this.#found[this.#kind.slotOf(keyword)] as ReadonlyArray<Item> | undefined) ?? [];
  }

  #single(keyword: string): Item | undefined {
    return this.#found[this.#kind.slotOf(keyword)] as Item | undefined;
  }
}

/** The section that a kind of section reads. */
export type SectionOf<Kind> = Kind extends SectionKind<infer Table> ? Section<Table> : never;

/** A kind of section: a name for errors, and the rules for its items. */
export class SectionKind<Table extends RuleTable> {
  /** The rules. */
  readonly table: Table;
  readonly #document: DocumentKind;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #rules: ReadonlyArray<ItemRule>;
  readonly #keywords: ReadonlyArray<string>;

  constructor(document: DocumentKind, table: Table) {
    this.table = table;
    this.#document = document;
    this.#keywords = Object.keys(table);
    this.#rules = Object.values(table);
    this.#slots = new Map(this.#keywords.map((keyword, slot) => [keyword, slot]));
  }

  /** The place of a keyword in the table, or -1. */
  slotOf(keyword: string): number {
    return this.#slots.get(keyword) ?? -1;
  }

  /**
   * Reads items up to one that `ends` (which stays next), or to the end of the text.
   *
   * @param ends whether an item, by its keyword and its place among those read, belongs to the next section already
   * @param other is told of the items that are not in the table
   * @throws NetdocError at the first item that breaks a rule
   */
  read(
    reader: ItemReader,
    ends: (keyword: string, index: number) => boolean = never,
    other?: (item: Item) => void,
  ): Section<Table> {
    const found: Array<Item | Array<Item> | undefined> = new Array(this.#rules.length).fill(undefined);
    let placed: Array<readonly [slot: number, index: number]> | undefined;
    let count = 0;
    let lastEnd = reader.source.start;
    for (let item = reader.peek(); item !== undefined; item = reader.peek()) {
      if (ends(item.keyword, count)) break;
      reader.next();
      lastEnd = item.end;
      const slot = this.slotOf(item.keyword);
      const rule = this.#rules[slot];
      if (rule === undefined) {
        other?.(item);
      } else {
        checkItem(item, rule);
        if (rule.count === "any" || rule.count === "some") {
          const others = found[slot] as Array<Item> | undefined;
          if (others === undefined) found[slot] = [item];
          else others.push(item);
        } else {
          if (found[slot] !== undefined) throw item.error("duplicate-item", "is here a second time");
          found[slot] = item;
        }
        if (rule.place !== undefined) {
          placed ??= [];
          placed.push([slot, count]);
        }
      }
      count++;
    }
    for (let slot = 0; slot < found.length; slot++) {
      const rule = this.#rules[slot];
      if (found[slot] === undefined && (rule?.count === "once" || rule?.count === "some"))
        throw reader.source.error(
          count === 0 ? "empty" : "missing-item",
          count === 0 ? `no ${this.#document} here` : "is missing",
          lastEnd,
          this.#keywords[slot],
        );
    }
    for (const [slot, index] of placed ?? []) {
      const rule = this.#rules[slot];
      const item = found[slot];
      if (rule !== undefined && item !== undefined && !Array.isArray(item) && index !== placeIndex(rule, count))
        throw item.error("misplaced-item", `must be ${rule.place} in its section`);
    }
    return new Section(this, found);
  }
}

const never = (): boolean => false;

const placeIndex = (rule: ItemRule, count: number): number => {
  switch (rule.place) {
    case "first":
      return 0;
    case "second":
      return 1;
    case "last-but-one":
      return count - 2;
    default:
      return count - 1;
  }
};

const checkItem = (item: Item, rule: ItemRule): void => {
  const { source, object } = item;
  if (rule.text !== true && !source.plain) {
    const bad = item.rest.search(unprintable);
    const at = item.argumentsStart + bad;
    if (bad >= 0 && source.text.charCodeAt(at) >= asciiEnd)
      throw item.error("not-ascii", "a character outside ASCII", at);
    if (bad >= 0) throw item.error("control-character", "a control character", at);
  }
  if (rule.min !== undefined && item.words.length < rule.min)
    throw item.error("missing-argument", `needs ${rule.min} arguments`, item.lineEnd);
  if (rule.max !== undefined && item.words.length > rule.max)
    throw item.error("extra-argument", `takes ${rule.max} arguments`, item.argumentStart(rule.max));
  if (rule.object === undefined) {
    if (object !== undefined) throw item.error("unexpected-object", "has an object", object.start);
  } else if (object === undefined) {
    if (rule.objectOptional !== true)
      throw item.error("missing-object", `needs the object ${rule.object[0]}`, item.lineEnd);
  } else if (!rule.object.includes(object.label)) {
    throw item.error("unexpected-object", `needs the object ${rule.object[0]}`, object.start);
  }
};
