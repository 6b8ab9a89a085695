/** Why a circuit was closed, in DESTROY and TRUNCATED. Other values may come and are to be accepted. tor-spec 5.4. */
export const DestroyReason = {
  NONE: 0,
  PROTOCOL: 1,
  INTERNAL: 2,
  REQUESTED: 3,
  HIBERNATING: 4,
  RESOURCELIMIT: 5,
  CONNECTFAILED: 6,
  OR_IDENTITY: 7,
  CHANNEL_CLOSED: 8,
  FINISHED: 9,
  TIMEOUT: 10,
  DESTROYED: 11,
  NOSUCHSERVICE: 12,
} as const;

/** @see DestroyReason */
export type DestroyReason = (typeof DestroyReason)[keyof typeof DestroyReason];

const destroyNames = new Map<number, keyof typeof DestroyReason>(
  (Object.keys(DestroyReason) as Array<keyof typeof DestroyReason>).map((name) => [DestroyReason[name], name]),
);

/** The name of a circuit's closing reason, or undefined for a value that tor-spec 5.4 does not list. */
export const destroyReasonName = (reason: number): keyof typeof DestroyReason | undefined => destroyNames.get(reason);

/** Why a stream was closed, in END. Other values may come and are to be accepted. tor-spec 6.3. */
export const EndReason = {
  MISC: 1,
  RESOLVEFAILED: 2,
  CONNECTREFUSED: 3,
  EXITPOLICY: 4,
  DESTROY: 5,
  DONE: 6,
  TIMEOUT: 7,
  NOROUTE: 8,
  HIBERNATING: 9,
  INTERNAL: 10,
  RESOURCELIMIT: 11,
  CONNRESET: 12,
  TORPROTOCOL: 13,
  NOTDIRECTORY: 14,
} as const;

/** @see EndReason */
export type EndReason = (typeof EndReason)[keyof typeof EndReason];

const endNames = new Map<number, keyof typeof EndReason>(
  (Object.keys(EndReason) as Array<keyof typeof EndReason>).map((name) => [EndReason[name], name]),
);

/** The name of a stream's closing reason, or undefined for a value that tor-spec 6.3 does not list. */
export const endReasonName = (reason: number): keyof typeof EndReason | undefined => endNames.get(reason);
