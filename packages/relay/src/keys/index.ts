export * from "./errors.ts";
export type { KeyDirectoryOptions } from "./key-directory.ts";
export { encryptedMasterName, keyFileNames } from "./key-files.ts";
export {
  KeyStore,
  layer as layerKeyStore,
  layerMemory as layerKeyStoreMemory,
  type RsaKeySource,
  readIdentity,
} from "./key-store.ts";
export { type NewSigningKeyOptions, newSigningKey } from "./new-signing-key.ts";
export * from "./relay-keys.ts";
export * from "./timeouts.ts";
