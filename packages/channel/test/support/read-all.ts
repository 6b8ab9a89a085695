import type { Connection } from "../../src/index.ts";

/** Everything that has arrived and was not read yet. */
export const readAll = (connection: Connection): Buffer => {
  const chunks: Array<Buffer> = [];
  for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
};
