import { findCards } from './card.ts'
import { EMAIL_SEARCHES } from './email.ts'
import { fold } from './fold.ts'
import { findIbans } from './iban.ts'
import { findAddresses, findSocialSecurityNumbers } from './number.ts'
import { findPhones } from './phone.ts'
import { findIsbns, findLabelled, findUuids, findVersions } from './lookalike.ts'
import type { Span } from './search.ts'

export const KINDS = ['email', 'phone', 'ssn', 'card', 'iban', 'ip'] as const
export type Kind = (typeof KINDS)[number]

/**
 * What is looked for, in this order: whatever one search has found is hidden from those after it. So the shapes that
 * prove themselves by a checksum come before the vaguer ones, and what only resembles a number comes before the kind
 * it resembles.
 */
const SEARCHES: ReadonlyArray<{ find: (text: string) => Iterable<Span>; kind?: Kind }> = [
  ...EMAIL_SEARCHES.map((find) => ({ find, kind: 'email' as const })),
  { find: findUuids },
  { find: findIbans, kind: 'iban' },
  { find: findIsbns },
  { find: findCards, kind: 'card' },
  { find: findSocialSecurityNumbers, kind: 'ssn' },
  { find: findVersions },
  { find: findAddresses, kind: 'ip' },
  { find: findLabelled },
  { find: findPhones, kind: 'phone' },
]

/**
 * The text with every finding of the given kinds replaced by its placeholder, and how many there were of each.
 *
 * @example redact('Write to ann@example.org', ['email']) // { text: 'Write to [EMAIL]', counts: { email: 1 } }
 */
export function redact(text: string, kinds: readonly Kind[]): { text: string; counts: Partial<Record<Kind, number>> } {
  const folded = fold(text)
  const findings: Array<Span & { kind: Kind }> = []
  let unexplained = folded.text
  for (const { find, kind } of SEARCHES) {
    const spans = [...find(unexplained)]
    unexplained = hide(unexplained, spans)
    if (kind && kinds.includes(kind)) findings.push(...spans.map((span) => ({ ...span, kind })))
  }
  findings.sort((a, b) => a.start - b.start)

  const counts: Partial<Record<Kind, number>> = {}
  const parts: string[] = []
  let kept = 0
  for (const { kind, ...span } of findings) {
    const { start, end } = folded.original(span)
    parts.push(text.slice(kept, start), `[${kind.toUpperCase()}]`)
    kept = end
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return { text: [...parts, text.slice(kept)].join(''), counts }
}

/** The text, as long as before, with a character in place of each span that no search takes for a letter or digit. */
function hide(text: string, spans: Span[]): string {
  if (spans.length === 0) return text
  const parts: string[] = []
  let kept = 0
  for (const { start, end } of spans) {
    parts.push(text.slice(kept, start), '\0'.repeat(end - start))
    kept = end
  }
  return [...parts, text.slice(kept)].join('')
}
