/**
 * The few DER encodings (X.690) that a certificate of ours needs. Writing only: what peers send is parsed by the platform.
 */

const tagged = (tag: number, content: Uint8Array): Buffer => {
  const { length } = content;
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
};

/** SEQUENCE of encoded members. */
export const sequence = (...members: ReadonlyArray<Uint8Array>): Buffer => tagged(0x30, Buffer.concat(members));

/** SET of encoded members; DER wants them sorted, so give one. */
export const set = (member: Uint8Array): Buffer => tagged(0x31, member);

/** INTEGER of an unsigned big-endian number, in its shortest form. */
export const integer = (bytes: Uint8Array): Buffer => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const shortest = bytes.subarray(start);
  const negative = ((shortest[0] ?? 0) & 0x80) !== 0;
  return tagged(0x02, negative || shortest.length === 0 ? Buffer.concat([Buffer.from([0]), shortest]) : shortest);
};

/** OBJECT IDENTIFIER from its encoded content. */
export const objectIdentifier = (content: ReadonlyArray<number>): Buffer => tagged(0x06, Buffer.from(content));

/** NULL. */
export const nothing: Buffer = tagged(0x05, Buffer.alloc(0));

/** UTF8String. */
export const utf8String = (text: string): Buffer => tagged(0x0c, Buffer.from(text, "utf8"));

/** BIT STRING of whole bytes. */
export const bitString = (bytes: Uint8Array): Buffer => tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]));

/** [0] EXPLICIT. */
export const explicit0 = (content: Uint8Array): Buffer => tagged(0xa0, content);

/**
 * Time as RFC 5280 (4.1.2.5) wants it: UTCTime to the end of 2049, GeneralizedTime after; whole seconds.
 *
 * @param millis milliseconds since the epoch
 */
export const time = (millis: number): Buffer => {
  const digits = `${new Date(millis).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
  return digits < "2050" ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
};
