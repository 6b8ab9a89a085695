import { type CircuitEnd, CircuitLimit, CircuitProtocolError, errorOfCause, LegFailed } from "@allium/circuit";
import { violationTable } from "@allium/conflux";

/** What was wrong, if a circuit ended with a fault: rules of conflux by their names, other errors by the message that they were about. */
export const faultOf = (cause: CircuitEnd["cause"]): ReadonlyArray<string> => {
  const error = errorOfCause(cause);
  if (error instanceof LegFailed) return [ruleOf(error.detail)];
  if (error instanceof CircuitProtocolError) return [error.where.replace(/^relay command .* on stream .*$/, "stream")];
  return error instanceof CircuitLimit ? [`limit ${error.limit}`] : [];
};

const ruleOf = (detail: string): string =>
  Object.entries(violationTable).find(([, { what }]) => what === detail)?.[0] ?? detail;
