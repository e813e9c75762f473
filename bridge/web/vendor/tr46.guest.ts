import type { TR46Options } from 'tr46'
import { lazily } from '../globals.guest.ts'

/** In the place of `tr46` inside `whatwg-url`: names of letters, digits and hyphens need none of its tables. */
export function toASCII(domain: string, options: TR46Options): string | null {
  if (/^[a-z0-9.-]*$/i.test(domain) && !/(^|\.)xn--/i.test(domain) && !options.verifyDNSLength && !options.checkHyphens) return domain.toLowerCase()
  return (lazily('web/idna') as { toASCII: typeof toASCII }).toASCII(domain, options)
}

export function toUnicode(domain: string, options: TR46Options): { domain: string; error: boolean } {
  return (lazily('web/idna') as { toUnicode: typeof toUnicode }).toUnicode(domain, options)
}
