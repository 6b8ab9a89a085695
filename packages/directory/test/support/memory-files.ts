import { ByteSize, Effect, FileSystem, type Layer } from "effect";
import { type PlatformError, systemError } from "effect/PlatformError";

/** A file system in memory, as far as the cache uses one: so that it takes no time under a test clock. */
export class MemoryFiles {
  readonly files = new Map<string, { bytes: Buffer; readonly mode: number }>();
  /** Paths that cannot be written. */
  readonly broken = new Set<string>();

  /** The text of a file; undefined if there is none. */
  text(path: string): string | undefined {
    return this.files.get(path)?.bytes.toString("latin1");
  }

  put(path: string, content: Buffer | string): void {
    this.files.set(path, { bytes: Buffer.from(content), mode: 0o600 });
  }

  get layer(): Layer.Layer<FileSystem.FileSystem> {
    const need = (method: string, path: string) => {
      const file = this.files.get(path);
      return file === undefined ? Effect.fail(fault("NotFound", method, path)) : Effect.succeed(file);
    };
    return FileSystem.layerNoop({
      makeDirectory: () => Effect.void,
      access: () => Effect.void,
      stat: (path) =>
        Effect.map(need("stat", path), ({ bytes }) => ({ size: ByteSize.bytes(bytes.length) }) as FileSystem.File.Info),
      readFile: (path) => Effect.map(need("readFile", path), ({ bytes }) => bytes),
      remove: (path) => Effect.sync(() => void this.files.delete(path)),
      rename: (from, to) =>
        Effect.flatMap(need("rename", from), (file) =>
          Effect.sync(() => {
            this.files.delete(from);
            this.files.set(to, file);
          }),
        ),
      open: (path, options) =>
        Effect.suspend(() => {
          if (this.broken.has(path)) return Effect.fail(fault("PermissionDenied", "open", path));
          if (options?.flag === "wx" && this.files.has(path)) return Effect.fail(fault("AlreadyExists", "open", path));
          const file = { bytes: Buffer.alloc(0), mode: options?.mode ?? 0o666 };
          this.files.set(path, file);
          return Effect.succeed({
            writeAll: (bytes: Uint8Array) =>
              Effect.sync(() => {
                file.bytes = Buffer.concat([file.bytes, bytes]);
              }),
            sync: Effect.void,
          } as unknown as FileSystem.File);
        }),
    });
  }
}

const fault = (tag: "NotFound" | "PermissionDenied" | "AlreadyExists", method: string, path: string): PlatformError =>
  systemError({ _tag: tag, module: "FileSystem", method, pathOrDescriptor: path });
