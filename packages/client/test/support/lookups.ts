import dns from "node:dns";
import { vi } from "@effect/vitest";

/** What was looked up on this computer while it is watched. */
export interface Lookups extends Disposable {
  readonly names: Array<unknown>;
}

/** Watches all ways in which this process can ask for a name or an address. */
export const watchLookups = (): Lookups => {
  const watched = [
    vi.spyOn(dns, "lookup"),
    vi.spyOn(dns, "lookupService"),
    vi.spyOn(dns, "resolve"),
    vi.spyOn(dns, "resolve4"),
    vi.spyOn(dns, "resolve6"),
    vi.spyOn(dns.promises, "lookup"),
    vi.spyOn(dns.promises, "resolve"),
    vi.spyOn(dns.promises, "resolve4"),
    vi.spyOn(dns.promises, "resolve6"),
  ];
  return {
    get names() {
      return watched.flatMap((watch) => watch.mock.calls.map(([name]) => name));
    },
    [Symbol.dispose]: () => {
      for (const watch of watched) watch.mockRestore();
    },
  };
};
