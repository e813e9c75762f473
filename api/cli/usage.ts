import { didYouMean } from '../../runtime/nearest.ts'

/** The command was not used as it can be: said with a hint, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * The end of a sentence about a word that is not known.
 *
 * @example hint('modules:lst', ['modules:list']) // ', did you mean "modules:list"?'
 */
export function hint(word: string, known: readonly string[]): string {
  const near = didYouMean(word, known)
  if (near !== '' || word === '') return near
  const begins = known.filter((one) => one.startsWith(word)).slice(0, 5)
  return begins.length === 0 ? '' : `, there ${begins.length === 1 ? 'is' : 'are'} ${begins.join(', ')}`
}
