const decimal = /^\d{1,16}$/;
const signedDecimal = /^-?\d{1,10}$/;

/** A decoder of decimal integers from `min` to `max`, which must be at least zero. */
export const integer =
  (min: number, max: number) =>
  (text: string): number | undefined => {
    if (!decimal.test(text)) return undefined;
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  };

/** A decoder of 32-bit integers with a sign: consensus parameters and bandwidth weights (dir-spec 3.4.1). */
export const int32 = (text: string): number | undefined => {
  if (!signedDecimal.test(text)) return undefined;
  const value = Number(text);
  return value >= -0x8000_0000 && value <= 0x7fff_ffff ? value : undefined;
};

/** A decoder of ports, 1 to 65535. */
export const port = integer(1, 65535);
/** A decoder of ports, where zero says that there is none. */
export const portOrNone = integer(0, 65535);

/** The two halves of `key=value`; undefined if there is no key. */
export const keyValue = (text: string): readonly [key: string, value: string] | undefined => {
  const equals = text.indexOf("=");
  return equals <= 0 ? undefined : [text.slice(0, equals), text.slice(equals + 1)];
};
