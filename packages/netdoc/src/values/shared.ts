/** The value for a text, made if this text has not been met before: what many parts of a document have in common exists once. */
export const shared = <A>(values: Map<string, A>, text: string, make: (text: string) => A): A => {
  let value = values.get(text);
  if (value === undefined) {
    value = make(text);
    values.set(text, value);
  }
  return value;
};
