const mebibyte = 1024 * 1024;

/** Consensuses of each flavour from which diffs are made: three days' worth in the public network. */
export const MAX_ARCHIVED = 72;

/** Prepared bodies of one consensus, and of the diffs to it, in bytes. Above it no further diff is made. */
export const MAX_PREPARED_BYTES = 32 * mebibyte;

/** Router descriptors and extra-info documents together, in bytes. Those of the public network have 22 MiB, and as much again. */
export const MAX_DESCRIPTOR_BYTES = 96 * mebibyte;

/** How long a descriptor is kept that no consensus lists any more: as long as clients may use the one that did (dir-spec 5.1). */
export const DESCRIPTOR_LIFETIME_MILLIS = 24 * 3_600_000;
