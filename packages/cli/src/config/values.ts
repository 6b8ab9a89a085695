/** The kinds of value that the configuration has, each with the words in which its error says what was expected. */
import { isIP, isIPv4 } from "node:net";
import { type Endpoint, formatEndpoint } from "@allium/channel";
import { addressAndPort } from "@allium/netdoc";
import { ByteSize, Effect, Option, Schema, SchemaGetter, SchemaIssue } from "effect";

/** A key that need not be there. */
export const optional = <S extends Schema.Constraint>(schema: S): Schema.optionalKey<S> => Schema.optionalKey(schema);

/** A key with a default, given as it would be written. */
export const withDefault = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema);

/** `true` or `false`. */
export const flag = Schema.Boolean.annotate({ expected: "true or false" });

const whether = 'true, false or "auto"';

/** True, false, or what others decide. */
export const flagOrAuto = Schema.Union([Schema.Boolean, Schema.String])
  .annotate({ expected: whether })
  .pipe(Schema.refine((value) => typeof value === "boolean" || value === "auto", { expected: whether }));

/** Free text of one line. */
export const line = (expected: string) =>
  Schema.String.annotate({ expected }).check(Schema.isPattern(/^[^\p{Cc}]+$/u, { expected }));

/** A text that a reader makes something of: one that answers `undefined` to what it does not accept. */
export const readable = (expected: string, read: (text: string) => unknown) =>
  Schema.String.annotate({ expected }).check(
    Schema.makeFilter((text: string) => read(text) !== undefined, { expected }),
  );

/** One of some words. */
export const oneOf = <const Words extends ReadonlyArray<string>>(words: Words) =>
  Schema.Literals(words).annotate({ expected: words.map((word) => `"${word}"`).join(", ") });

/** A whole number within bounds. */
export const integer = (minimum: number, maximum: number) => {
  const expected = `a whole number from ${minimum} to ${maximum}`;
  return Schema.Number.annotate({ expected }).check(
    Schema.isInt({ expected }),
    Schema.isBetween({ minimum, maximum }, { expected }),
  );
};

/** A path. Where it leads is decided when the file that has it is known. */
export const path = line("a path");

/** An address and a port. */
export const endpoint = (example: string) => {
  const expected = `an IP address and a port, as in "${example}"`;
  return Schema.String.annotate({ expected }).pipe(
    Schema.decodeTo(Schema.Struct({ host: Schema.String, port: Schema.Number }), {
      decode: SchemaGetter.transformEffect((text, options) => {
        const found = addressAndPort(text);
        return found === undefined || found.port === 0
          ? Effect.fail(new SchemaIssue.InvalidValue({ expected }, text, options))
          : Effect.succeed<Endpoint>({ host: found.address, port: found.port });
      }),
      encode: SchemaGetter.transform(formatEndpoint),
    }),
  );
};

/** A number of bytes within bounds: a whole number, or a number with a unit. */
export const byteSize = (minimum: number, maximum: number) => {
  const expected = `a number of bytes, or a size as in "10 MB" or "512 KiB", from ${minimum} to ${maximum} bytes`;
  return Schema.Union([Schema.Number, Schema.String])
    .annotate({ expected })
    .pipe(
      Schema.decodeTo(Schema.Number, {
        decode: SchemaGetter.transformEffect((input, options) => {
          const bytes = Option.map(ByteSize.fromInput(input as ByteSize.Input), Number);
          return Option.isSome(bytes) && bytes.value >= minimum && bytes.value <= maximum
            ? Effect.succeed(bytes.value)
            : Effect.fail(new SchemaIssue.InvalidValue({ expected }, input, options));
        }),
        encode: SchemaGetter.passthrough({ strict: false }),
      }),
    );
};

/** An IP address, with a port or without one. */
export const nameServer = readable('an IP address, or one with a port as in "127.0.0.1:53" or "[::1]:53"', (text) =>
  isIP(text) === 0 ? addressAndPort(text) : text,
);

/** An IPv4 address. */
export const ipv4 = readable("an IPv4 address", (text) => (isIPv4(text) ? text : undefined));
