import { randomUUID } from 'node:crypto'

/**
 * A random UUID whose characters lie in one piece. `randomUUID` joins its own from several, and V8 takes its slow way
 * through a JSON text that has such a string anywhere in it: 2.9 µs for a context of 2.5 KB, and 0.9 without.
 */
export function randomId(): string {
  return Buffer.from(randomUUID(), 'latin1').toString('latin1')
}
