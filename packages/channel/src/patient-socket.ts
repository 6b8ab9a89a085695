import { Socket } from "node:net";

type Done = (error?: Error | null) => void;

/** What a write fails with when the other side has hung up. */
const HUNG_UP: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "EPIPE"]);

/**
 * A socket that hears the other side out. Who answers and hangs up on a sender whom it has not read resets the connection; the
 * platform then destroys a socket at its first failing write, and with it what has arrived and was not read yet. This one
 * throws away what is written from then on, reads to the end, and is destroyed with the write's error there.
 */
export class PatientSocket extends Socket {
  private hungUp = false;

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    if (this.hungUp) done();
    else super._write(chunk, encoding, this.heeding(done));
  }

  override _writev(chunks: Array<{ chunk: unknown; encoding: BufferEncoding }>, done: Done): void {
    if (this.hungUp) done();
    else super._writev?.(chunks, this.heeding(done));
  }

  private heeding(done: Done): Done {
    return (error) => {
      const { code } = (error ?? {}) as NodeJS.ErrnoException;
      if (!HUNG_UP.has(code) || this.readableEnded) return done(error);
      if (!this.hungUp) {
        this.hungUp = true;
        this.once("end", () => this.destroy(error as Error));
      }
      done();
    };
  }
}
