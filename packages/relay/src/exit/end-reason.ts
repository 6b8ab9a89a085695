import { EndReason } from "@allium/cell";
import type { TransportError, TransportErrorKind } from "@allium/channel";

/** By the platform's word, where it says more than the kind of the error. */
const BY_CODE: Readonly<Record<string, number>> = {
  EPIPE: EndReason.DONE,
  EBADF: EndReason.INTERNAL,
  EFAULT: EndReason.INTERNAL,
  EINVAL: EndReason.INTERNAL,
  EISCONN: EndReason.INTERNAL,
  ENOTSOCK: EndReason.INTERNAL,
  EPROTONOSUPPORT: EndReason.INTERNAL,
  EAFNOSUPPORT: EndReason.INTERNAL,
  ENOTCONN: EndReason.INTERNAL,
  ENETUNREACH: EndReason.NOROUTE,
  EHOSTUNREACH: EndReason.NOROUTE,
  EACCES: EndReason.NOROUTE,
  EPERM: EndReason.NOROUTE,
  ECONNREFUSED: EndReason.CONNECTREFUSED,
  ECONNRESET: EndReason.CONNRESET,
  ETIMEDOUT: EndReason.TIMEOUT,
  ENOBUFS: EndReason.RESOURCELIMIT,
  ENOMEM: EndReason.RESOURCELIMIT,
  ENFILE: EndReason.RESOURCELIMIT,
  EMFILE: EndReason.RESOURCELIMIT,
  EADDRINUSE: EndReason.RESOURCELIMIT,
  EADDRNOTAVAIL: EndReason.RESOURCELIMIT,
};

const BY_KIND: Readonly<Record<TransportErrorKind, number>> = {
  refused: EndReason.CONNECTREFUSED,
  unreachable: EndReason.NOROUTE,
  timeout: EndReason.TIMEOUT,
  reset: EndReason.CONNRESET,
  tls: EndReason.MISC,
  addressInUse: EndReason.RESOURCELIMIT,
  resourceLimit: EndReason.RESOURCELIMIT,
  other: EndReason.MISC,
};

/** The END reason that `tor`'s exit gives for an error of a connection, or of the attempt to open one. tor-spec 6.3. */
export const endReasonOfTransportError = (error: TransportError): number => BY_CODE[error.code] ?? BY_KIND[error.kind];
