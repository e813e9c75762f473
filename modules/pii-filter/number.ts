import { search, type Span } from './search.ts'

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ADDRESS = new RegExp(`(?<![A-Za-z0-9]|\\d\\.)${OCTET}(?:\\.${OCTET}){3}(?![A-Za-z0-9]|\\.\\d)`, 'g')

// Neither the areas 000 and 666 nor groups and serials of zeros alone are given out. Nine digits without a separator
// mean much else, so these must be said to be one.
const SOCIAL_SECURITY = new RegExp(
  [
    '(?<!\\d|\\d[.\\-])(?!000|666)\\d{3}( ?[.\\-] ?| )(?!00)\\d{2}\\1(?!0000)\\d{4}(?!\\d|[.\\-]\\d)',
    '(?=\\d{9}(?!\\d))(?<=\\b(?:ssn|social security(?: number| no\\.?)?)\\b[^\\d\\n]{0,12})(?!000|666)\\d{9}',
  ].join('|'),
  'gi',
)

/** IPv4 addresses in dotted decimal. */
export function findAddresses(text: string): Iterable<Span> {
  return search(text, ADDRESS)
}

/** United States social security numbers, and the taxpayer numbers of the same form. */
export function findSocialSecurityNumbers(text: string): Iterable<Span> {
  return search(text, SOCIAL_SECURITY)
}
