/**
 * What a cell does for a module by itself, since it needs nothing that is the host's. Arguments are parts separated by
 * NUL: JSON first, then bytes as base64, or `#` and the number of bytes that were staged before. Answers have the same
 * form, or begin with `!` and are the name and message of an error as JSON.
 */
export const CELL_CALLS = ['cell.crypto', 'cell.stage', 'cell.zip'] as const
export type CellCall = (typeof CELL_CALLS)[number]

export const CELL_CAPS = {
  /** Characters of one call, which goes no further than the cell. */
  callLength: 3 * 1024 * 1024,
  /** Characters of its JSON, keys among it. */
  headLength: 64 * 1024,
  /** Bytes of one call; what is longer comes in pieces. */
  pieceBytes: 2 * 1024 * 1024,
  /** Bytes that wait in pieces, of one module. */
  stagedBytes: 64 * 1024 * 1024,
  /** Bytes that one execution may have worked on. */
  bytes: 512 * 1024 * 1024,
  /** Calls of one module that are worked on at one time; the cell has four threads for them. */
  atOnce: 2,
  /** Bits of an RSA key, and rounds of a derived one: making them cannot be interrupted. */
  rsaBits: 4_096,
  rounds: 2_000_000,
  /** Bits of an RSA key that was made elsewhere: it is used, which takes less than making it. */
  importedRsaBits: 8_192,
  /** Bits that are derived, generated as a key, or made of less, by one call. */
  madeBits: 512 * 1024,
  /** Streams of one module that are being compressed or decompressed; past them the oldest is given up. */
  streams: 16,
  /** Bytes that come out of one call. */
  outBytes: 512 * 1024,
} as const
