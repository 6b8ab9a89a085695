import { signDocument } from "../../src/descriptor/signatures.ts";
import { DocumentWriter } from "../../src/syntax/writer.ts";
import { identityKeys } from "./accepted.ts";

/** The text of a router descriptor or an extra-info document, changed and signed again by the same relay. */
export const resigned = (text: string, change: (body: string) => string): string => {
  const body = change(text.slice(0, text.indexOf("router-sig-ed25519 ")));
  return signDocument(new DocumentWriter().begin(body), identityKeys).text;
};
