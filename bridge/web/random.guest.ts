import { toNumber, slice, uncurry } from '../primordials.guest.ts'

// Random bytes without a call to the host, which would take a turn of the cell's own thread for each. The generator
// is ChaCha20 (RFC 8439, 2.3) with the key replaced by its own first output before any is given out, so that what was
// given out cannot be computed again later. Its key is 32 bytes of the cell's, drawn for this isolate.

const BLOCKS = 16
const BLOCK = 16
const Words = Uint32Array
const Bytes = Uint8Array
const subWords = uncurry(Words.prototype.subarray)
const setWords = uncurry(Words.prototype.set)
const subBytes = uncurry(Bytes.prototype.subarray)
const setBytes = uncurry(Bytes.prototype.set)
const fillBytes = uncurry(Bytes.prototype.fill)

const key = new Words(8)
const pool = new Words(BLOCKS * BLOCK)
const poolBytes = new Bytes(pool.buffer)
const state = new Words(BLOCK)
const KEY_BYTES = 32
let used = poolBytes.length
let seeded = false

/** @param hex 64 hexadecimal digits of the cell's own randomness */
export function seedRandom(hex: string): void {
  for (let i = 0; i < 8; i++) key[i] = toNumber('0x' + slice(hex, i * 8, i * 8 + 8))
  seeded = true
}

/** Fills `target` with random bytes. */
export function fillRandom(target: Uint8Array): void {
  if (!seeded) throw new Error('cannot draw random bytes, the isolate has no seed')
  for (let at = 0; at < target.length; ) {
    if (used >= poolBytes.length) refill()
    const count = target.length - at < poolBytes.length - used ? target.length - at : poolBytes.length - used
    const drawn = subBytes(poolBytes, used, used + count)
    setBytes(target, drawn, at)
    fillBytes(drawn, 0)
    used += count
    at += count
  }
}

function refill(): void {
  for (let block = 0; block < BLOCKS; block++) generate(block)
  setWords(key, subWords(pool, 0, 8))
  fillBytes(subBytes(poolBytes, 0, KEY_BYTES), 0)
  used = KEY_BYTES
}

function generate(counter: number): void {
  const start = counter * BLOCK
  state[0] = 0x61707865
  state[1] = 0x3320646e
  state[2] = 0x79622d32
  state[3] = 0x6b206574
  setWords(state, key, 4)
  state[12] = counter
  state[13] = state[14] = state[15] = 0
  for (let i = 0; i < BLOCK; i++) pool[start + i] = word(state, i)
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(start, i, 4 + i, 8 + i, 12 + i)
    for (let i = 0; i < 4; i++) quarter(start, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3))
  }
  for (let i = 0; i < BLOCK; i++) pool[start + i] = word(pool, start + i) + word(state, i)
}

function quarter(start: number, a: number, b: number, c: number, d: number): void {
  step(start + a, start + b, start + d, 16)
  step(start + c, start + d, start + b, 12)
  step(start + a, start + b, start + d, 8)
  step(start + c, start + d, start + b, 7)
}

function step(sum: number, addend: number, turned: number, by: number): void {
  pool[sum] = word(pool, sum) + word(pool, addend)
  const mixed = word(pool, turned) ^ word(pool, sum)
  pool[turned] = (mixed << by) | (mixed >>> (32 - by))
}

function word(words: Uint32Array, at: number): number {
  return words[at] as number
}
