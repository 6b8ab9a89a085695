import type { SignedDocument } from "@allium/netdoc";
import { signDocument } from "../../src/descriptor/signatures.ts";
import { DocumentWriter } from "../../src/syntax/writer.ts";
import { identityKeys } from "./accepted.ts";

/** A router descriptor or an extra-info document, changed and signed again by the same relay. */
export const resignedDocument = (text: string, change: (body: string) => string): SignedDocument => {
  const body = change(text.slice(0, text.indexOf("router-sig-ed25519 ")));
  return signDocument(new DocumentWriter().begin(body), identityKeys);
};

/** The text of {@link resignedDocument}. */
export const resigned = (text: string, change: (body: string) => string): string => resignedDocument(text, change).text;
