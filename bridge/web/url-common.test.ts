import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseURL, type UrlRecord } from 'whatwg-url'
import { parseCommon } from './url-common.guest.ts'

const whole = (url: string, baseURL: UrlRecord | null = null) => parseURL(url, { baseURL })

/** Parts of which URLs are made that are nearly common. */
const PIECES = [
  'http', 'https', 'ws', 'wss', 'ftp', 'file', 'HTTP', 'x', ':', '://', '//', '/', '\\', '.', '..', '/./', '/../', '%2e', '%2E.', '%', '%zz', '%41',
  'a', 'B', 'example.org', 'EXAMPLE.org.', 'a..b', '_', '-', 'xn--mnchen-3ya', 'xn--', '1', '127.1', '0x7f', '1.2.3.4', '0x', 'a.0x1', 'b.09', '[::1]', ':80', ':443', ':21', ':', ':65535', ':65536', ':000080',
  '@', 'user@', 'user:pass@', ':@', '?', '#', '?q=1&r', '#f', 'C:', 'C|', '/c:/', '|', '^', '`', '{', '}', '"', "'", '<', '>', ' ', '\t', '\n', '\0', '\x7f', 'ä', '💩', '\ud800', ';', '=', '+', '&', '$', '!', '~', '*', '(', ')', ',', '[', ']',
]
const text = fc.array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...PIECES) }, { weight: 1, arbitrary: fc.string({ maxLength: 3 }) }), { maxLength: 8 }).map((pieces) => pieces.join(''))
const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,6}$/)
const path = fc.array(fc.oneof(fc.constantFrom('.', '..', '', 'a', 'b.c', '%7E', 'C|', 'x:y', '...', '.a'), fc.stringMatching(/^[!-~]{0,6}$/)), { maxLength: 5 }).map((segments) => segments.map((segment) => `/${segment}`).join(''))
const likely = fc
  .tuple(fc.constantFrom('http', 'https', 'ws', 'wss', 'ftp', 'file', 'x'), fc.constantFrom('', 'u@', 'u:p@', ':@'), fc.array(label, { minLength: 0, maxLength: 3 }), fc.constantFrom('', ':', ':80', ':443', ':8080', ':70000'), path, fc.constantFrom('', '?', '?a=b', "?'", '?"'), fc.constantFrom('', '#', '#x', '#`'))
  .map(([scheme, user, labels, port, ...rest]) => `${scheme}://${user}${labels.join('.')}${port}${rest.join('')}`)
const any = fc.oneof(text, likely, path)

test('what the quick parser reads is what the whole parser reads', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(any, fc.option(fc.oneof(likely, text)), (url, from) => {
      const base = from === null ? null : whole(from)
      const before = JSON.stringify(base)
      const found = parseCommon(url, base)
      if (found !== undefined) expect(found).toEqual(whole(url, base))
      expect(JSON.stringify(base)).toBe(before)
    }),
    { numRuns: 5_000 },
  )
})

test('a base that the quick parser has read is as good as the whole parser’s', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(likely, any, (from, url) => {
      const quick = parseCommon(from, null)
      if (quick) expect(whole(url, quick)).toEqual(whole(url, whole(from)))
    }),
    { numRuns: 5_000 },
  )
})

test.each([
  ['https://user@example.org:8080/a/b/../c?d=e&f=g#h', null],
  ['HTTPS://example.org', undefined],
  ['http://EXAMPLE.org', null],
  ['https://a.b.c/%7Efoo/bar', null],
  ['file:///a/b', null],
  ['/x/y?z', 'https://base.org/p/q'],
  ['../x', 'https://base.org/p/q/r'],
  ['?q', 'https://base.org/p/q#f'],
  ['', 'https://base.org/p/q?r#f'],
])('%s is common', (url, from) => {
  const found = parseCommon(url, typeof from === 'string' ? whole(from) : null)
  if (from === undefined) expect(found).toBeUndefined()
  else expect(found).toEqual(whole(url, from === null ? null : whole(from)))
})

test.each(['http://1.2.3.4/', 'http://a.0x7f/', 'http://a:65536/', 'http://[::1]/', 'http:///a', 'http://a/%2e%2E', 'http://a/b c', 'http://ä/', 'file://host/', 'file:///C:/a', 'mailto:a@b', 'a'])(
  '%s is left to the whole parser',
  (url) => expect(parseCommon(url, null)).toBeUndefined(),
)

test('a URL that is too long for it is left to the whole parser, one that is not is read', () => {
  const start = 'http://a/'
  expect(parseCommon(start + 'x'.repeat(65_536 - start.length), null)?.path).toHaveLength(1)
  expect(parseCommon(start + 'x'.repeat(65_537 - start.length), null)).toBeUndefined()
})
