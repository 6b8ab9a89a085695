import type { UnixMillis } from "@allium/netdoc";
import { Effect, PubSub, Stream } from "effect";
import type { DirectoryFetchError, NoDirectorySource } from "../errors.ts";
import type { DirectoryDocument } from "../sources/source.ts";

/** Documents that are wanted, and not all there. */
export interface WantedDocuments {
  readonly what: DirectoryDocument;
  /** How many of them are there. */
  readonly have: number;
  /** How many it takes. */
  readonly of: number;
}

/** A request that is under way. */
export interface RequestUnderWay {
  readonly what: DirectoryDocument;
  /** The name of the directory that is asked. */
  readonly from: string;
  /** Whether there is a connection. */
  readonly connected: boolean;
}

/** What the fetching reactor is at, for whoever shows its progress. It never changes: news makes a new one. */
export interface DirectoryActivity {
  /** What it fetches, or waits to fetch; undefined if everything is there, or before it began. */
  readonly wanted: WantedDocuments | undefined;
  /** In the order in which they began; none while it waits. */
  readonly requests: ReadonlyArray<RequestUnderWay>;
  /** What failed last, if nothing has come since. */
  readonly failure: DirectoryFetchError | NoDirectorySource | undefined;
  /** When it tries again, or fetches the next consensus; undefined while it works. */
  readonly nextAttempt: UnixMillis | undefined;
}

/** A request that was announced. */
export interface AnnouncedRequest {
  readonly connected: () => void;
  readonly end: () => void;
}

/** Gathers what the fetching reactor is at, and tells it. */
export class ActivityLog {
  readonly #news: PubSub.PubSub<DirectoryActivity>;
  readonly #requests = new Set<RequestUnderWay>();
  #current: DirectoryActivity = { wanted: undefined, requests: [], failure: undefined, nextAttempt: undefined };

  private constructor(news: PubSub.PubSub<DirectoryActivity>) {
    this.#news = news;
    this.#publish();
  }

  static readonly make: Effect.Effect<ActivityLog> = Effect.map(
    // Whoever reads slowly sees the newest only.
    PubSub.sliding<DirectoryActivity>({ capacity: 1, replay: 1 }),
    (news) => new ActivityLog(news),
  );

  get current(): DirectoryActivity {
    return this.#current;
  }

  /** What it is at now, and each change from here on. */
  get changes(): Stream.Stream<DirectoryActivity> {
    return Stream.fromPubSub(this.#news);
  }

  /** It works at this. */
  works(wanted: WantedDocuments): void {
    this.#tell({ wanted, nextAttempt: undefined });
  }

  /** It waits until then, for this or with nothing to do. */
  waits(until: UnixMillis, wanted: WantedDocuments | undefined): void {
    this.#tell({ wanted, nextAttempt: until });
  }

  failed(failure: DirectoryFetchError | NoDirectorySource): void {
    this.#tell({ failure });
  }

  /** Something good has come. */
  succeeded(): void {
    if (this.#current.failure !== undefined) this.#tell({ failure: undefined });
  }

  /** A request begins. */
  begin(what: DirectoryDocument, from: string): AnnouncedRequest {
    let request: RequestUnderWay = { what, from, connected: false };
    this.#requests.add(request);
    this.#tell({});
    return {
      connected: () => {
        if (request.connected || !this.#requests.delete(request)) return;
        request = { ...request, connected: true };
        this.#requests.add(request);
        this.#tell({});
      },
      end: () => {
        if (this.#requests.delete(request)) this.#tell({});
      },
    };
  }

  #tell(changed: Partial<DirectoryActivity>): void {
    this.#current = { ...this.#current, ...changed, requests: [...this.#requests] };
    this.#publish();
  }

  #publish(): void {
    // The older makes room at once: nobody is waited for.
    Effect.runSync(PubSub.publish(this.#news, this.#current));
  }
}
