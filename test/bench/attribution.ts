/**
 * Says of each sample of a profile at which place on a cell's way it was taken: at that of the first frame, from the leaf up,
 * that the table below knows. So what a function calls counts to it, unless that has a place of its own.
 */

/** One function on a stack. */
export interface Frame {
  /** As the profiler gives it; `(program)`, `(garbage collector)` and `(idle)` are V8's names for what is no function. */
  readonly name: string;
  /** URL of the file; empty for a native function. */
  readonly file: string;
}

/** A stack that was seen, the leaf first, and how much it weighs: time, or how often it was seen. */
export interface Sample {
  readonly stack: ReadonlyArray<Frame>;
  readonly weight: number;
}

/** The places, in the order in which a cell comes by; what is not on its way comes last. */
export const PLACES = [
  "socket read",
  "TLS decrypt",
  "TLS cipher, either way",
  "below JavaScript",
  "platform's streams",
  "connection",
  "channel reader, inbox",
  "relay cipher (AES)",
  "relay digest (SHA-1)",
  "ingress",
  "links, run queue",
  "conflux",
  "streams",
  "congestion, flow control",
  "egress",
  "channel writer",
  "TLS encrypt",
  "socket write",
  "TLS encrypt, socket write",
  "event loop, timers",
  "allocator",
  "collector",
  "compiler",
  "handshakes",
  "circuits of a client",
  "client: applications",
  "client: tunnels, paths",
  "directory",
  "other",
  "idle",
] as const;

export type Place = (typeof PLACES)[number];

/** A frame is at `place` when all that is given here matches. */
interface Rule {
  readonly place: Place;
  readonly name?: RegExp;
  readonly file?: RegExp;
}

/** Machine code of the platform and of the kernel, by the names of its symbols: only a profiler of the system sees it. */
const NATIVE_RULES: ReadonlyArray<Rule> = [
  { place: "socket read", name: /^(sock_read_iter|sock_recvmsg|tcp_recvmsg|__sys_recv\w+)$/ },
  { place: "socket write", name: /^(sock_write_iter|sock_sendmsg|tcp_sendmsg|__sys_send\w+)$/ },
  {
    place: "TLS decrypt",
    name: /gcm.*_dec|_dec.*gcm|^tls_(get_more|read)_record|^ssl3_read|^SSL_read|TLSWrap::(ClearOut|OnStreamRead|OnStreamAlloc)/,
  },
  {
    place: "TLS encrypt",
    name: /gcm.*_enc|_enc.*gcm|^tls_write_records|^ssl3_write|^SSL_write|TLSWrap::(ClearIn|EncOut|DoWrite|InvokeQueued|OnStreamAfterWrite)/,
  },
  { place: "relay cipher (AES)", name: /aes.*ctr|aesni_encrypt|CipherBase/i },
  {
    place: "collector",
    name: /v8::internal::\w*(Scaveng|Mark|Sweep|Heap|Evacuat|Collect|GC|Gc|Safepoint|Pretenuring)|cppgc::/,
  },
  {
    place: "compiler",
    name: /v8::internal::(compiler|maglev|baseline|interpreter|turboshaft|wasm)::|v8::internal::\w*(Compil|Parser|Optimiz)/,
  },
  // Between the kernel and scripts: found only where nothing above is on the stack before it.
  {
    place: "platform's streams",
    name: /^uv__(read|stream_io|write|try_write)|node::(\w*Stream\w*|WriteWrap|AsyncWrap|AsyncHooks|InternalMakeCallback|InternalCallbackScope)/,
  },
  { place: "event loop, timers", name: /^(do_epoll|ep_poll|epoll_|vfs_|__do_sys_io_uring|uv_|node::Environment::)/ },
];

/** Machine code that leaves no trace of who called it: counts by itself where nobody on the stack is known. */
const LEAF_RULES: ReadonlyArray<Rule> = [
  { place: "TLS cipher, either way", name: /gcm|ghash|len_12_init_IV|chacha20|poly1305/i },
  { place: "allocator", name: /^(_?_?(int_)?(malloc|free|calloc|realloc)|cfree|unlink_chunk|operator (new|delete))/ },
];

/** Our own files: how their paths begin, by what they do for a cell. What is not here counts to its callers. */
export const OUR_FILES: Readonly<Partial<Record<Place, ReadonlyArray<string>>>> = {
  connection: [
    "packages/channel/src/node-connection.ts",
    "packages/channel/src/patient-socket.ts",
    "packages/channel/src/transport-node.ts",
    "packages/relay/src/bandwidth/",
    "packages/relay/src/traffic.ts",
    "packages/relay/src/token-bucket.ts",
  ],
  "channel reader, inbox": [
    "packages/channel/src/channel-reader.ts",
    "packages/channel/src/inbox.ts",
    "packages/channel/src/cell-queue.ts",
    "packages/channel/src/circuit-map.ts",
    "packages/cell/src/cell-decoder.ts",
  ],
  "relay cipher (AES)": ["packages/crypto/src/relay-crypto.ts", "packages/crypto/src/client-crypto.ts"],
  "relay digest (SHA-1)": ["packages/crypto/src/sha1/", "packages/crypto/src/running-digest.ts"],
  ingress: ["packages/circuit/src/ingress.ts"],
  "links, run queue": ["packages/kernel/src/"],
  streams: ["packages/circuit/src/streams/", "packages/circuit/src/stream-path.ts", "packages/relay/src/exit/"],
  "congestion, flow control": ["packages/circuit/src/congestion/", "packages/circuit/src/flow/"],
  egress: ["packages/circuit/src/egress.ts"],
  conflux: ["packages/conflux/src/"],
  "channel writer": [
    "packages/channel/src/channel-writer.ts",
    "packages/channel/src/outbox.ts",
    "packages/channel/src/write-buffers.ts",
    "packages/cell/src/cell-encoder.ts",
  ],
  handshakes: [
    "packages/circuit/src/relay/handshake",
    "packages/circuit/src/client/hop-handshake.ts",
    "packages/crypto/src/handshake/",
    "packages/crypto/src/x25519.ts",
  ],
  "circuits of a client": ["packages/circuit/src/client/"],
  "client: applications": [
    "packages/client/src/proxy/",
    "packages/client/src/proxy-server/",
    "packages/client/src/sockets/",
    "packages/client/src/streams/",
  ],
  "client: tunnels, paths": [
    "packages/client/src/tunnels/",
    "packages/client/src/paths/",
    "packages/client/src/guards/",
    "packages/client/src/build-times/",
    "packages/client/src/live/",
  ],
  directory: ["packages/client/src/directory/", "packages/directory/src/", "packages/netdoc/src/"],
};

/** What V8's own profiler sees beside them. */
const SCRIPT_RULES: ReadonlyArray<Rule> = [
  { place: "idle", file: /^$/, name: /^\(idle\)$/ },
  { place: "collector", file: /^$/, name: /^\(garbage collector\)$/ },
  { place: "below JavaScript", file: /^$/, name: /^\(program\)$/ },
  {
    place: "TLS encrypt, socket write",
    file: /^$/,
    name: /^(writev|writeBuffer|write(Utf8|Latin1|Ascii|Ucs2)String)$/,
  },
  { place: "relay digest (SHA-1)", file: /^wasm:/ },
  { place: "relay digest (SHA-1)", name: /^wasm-function/ },
  { place: "relay cipher (AES)", file: /^node:internal\/crypto\/cipher/ },
  { place: "links, run queue", file: /node_modules\/effect\// },
  { place: "event loop, timers", file: /^node:(internal\/)?(timers|process\/task_queues)/ },
  {
    place: "platform's streams",
    file: /^node:(net|stream|_?tls|_tls_\w+|internal\/(stream_base_commons|streams\/|tls|net|js_stream_socket))/,
  },
];

const ourFiles = Object.entries(OUR_FILES).flatMap(([place, paths]) =>
  paths.map((path) => ({ place: place as Place, path: `/${path}` })),
);

const matches =
  ({ name, file }: Frame) =>
  (rule: Rule): boolean =>
    (rule.name?.test(name) ?? true) && (rule.file?.test(file) ?? true);

/** The place of a frame, if it has one of its own. */
const placeOfFrame = (frame: Frame): Place | undefined => {
  // Machine code has no file; V8's own names and functions of WebAssembly may have none either.
  const native = frame.file === "" ? NATIVE_RULES.find(matches(frame)) : undefined;
  const ours = (): { readonly place: Place } | undefined => ourFiles.find(({ path }) => frame.file.includes(path));
  return (native ?? ours() ?? SCRIPT_RULES.find(matches(frame)))?.place;
};

/** Where a stack was seen; `other` when no frame of it is in the table. */
export const placeOf = (stack: ReadonlyArray<Frame>): Place => {
  for (const frame of stack) {
    const place = placeOfFrame(frame);
    if (place !== undefined) return place;
  }
  const [leaf] = stack;
  const rule = leaf?.file === "" ? LEAF_RULES.find(matches(leaf)) : undefined;
  return rule?.place ?? "other";
};

/** The weight of the samples at each place that has any. */
export const attribute = (samples: Iterable<Sample>): ReadonlyMap<Place, number> => {
  const weights = new Map<Place, number>();
  for (const { stack, weight } of samples) {
    const place = placeOf(stack);
    weights.set(place, (weights.get(place) ?? 0) + weight);
  }
  return weights;
};

/**
 * Corrects what V8 does not see. While Node polls, V8 takes it for idle: the reading of sockets and the decryption of TLS, which no
 * script has called, hide there. So what runs below JavaScript is what the thread used beside all other places.
 *
 * @param used the thread's processor time meanwhile, in the unit of the weights
 */
export const withBelow = (weights: ReadonlyMap<Place, number>, used: number): ReadonlyMap<Place, number> => {
  const rest = [...weights]
    .filter(([place]) => place !== "idle" && place !== "below JavaScript")
    .reduce((left, [, weight]) => left - weight, used);
  return new Map(weights).set("below JavaScript", Math.max(rest, weights.get("below JavaScript") ?? 0));
};

/** The share of each place in all that was not idle. */
export const sharesOf = (weights: ReadonlyMap<Place, number>): ReadonlyMap<Place, number> => {
  const busy = [...weights].filter(([place]) => place !== "idle");
  const all = busy.reduce((sum, [, weight]) => sum + weight, 0);
  return new Map(busy.map(([place, weight]) => [place, weight / all]));
};
