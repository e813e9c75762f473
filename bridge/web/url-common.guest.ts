import type { UrlRecord } from 'whatwg-url'

// What stands in a URL as it is. Everything else is to be encoded, decoded or to be refused: the whole parser's work.
const PATH = String.raw`[!$-;=@-[\]_a-z|~]`
const QUERY = '[!$-&(-;=?-~]'
const USER = '[!$-.0-9A-Z_a-z~]'
const FIRST_SEGMENT = String.raw`[!$-.0-9;=@-[\]_a-z|~]` // with a colon it might be a scheme
const TAIL = String.raw`(?:\?(${QUERY}*))?(?:#([!#-;=?-_a-~]*))?$`

const WITH_HOST = new RegExp(String.raw`^(https?|wss?|ftp)://(?:(${USER}*)(?::(${USER}*))?@)?([\w.-]+)(?::(\d{0,5}))?(?:/(${PATH}*))?${TAIL}`)
/** Without what might be a drive letter of Windows. */
const FILE = new RegExp(String.raw`^file:///([!$-.0-9/;=@-[\]_a-z~]*)${TAIL}`)
const RELATIVE = new RegExp(`^(?:/(?!/)(${PATH}*)|((?:${FIRST_SEGMENT}+(?:/${PATH}*)?)?))${TAIL}`)
const LAST_LABEL_IS_NUMBER = /(?:^|\.)\d[^.]*\.?$/
/** Past it an expression might run out of the stack that it remembers its steps on. */
const LONG = 65_536
const PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, ws: 80, wss: 443, ftp: 21 }

/**
 * URL Standard, 4.4, for the URLs that most are: a scheme with a host of ASCII or a file, or what is relative to such
 * a host, and nothing in it that is written otherwise in the end but dot segments and capitals of the host.
 *
 * @returns undefined for any other, among them all that are none
 */
export function parseCommon(input: string, base: UrlRecord | null): UrlRecord | undefined {
  if (input.length > LONG) return
  const found = WITH_HOST.exec(input)
  if (found) {
    const [, scheme = '', username = '', password = '', host = '', port = '', path = '', query = null, fragment = null] = found
    if (LAST_LABEL_IS_NUMBER.test(host) || +port > 65_535) return
    return finished({ scheme, username, password, host: host.toLowerCase(), port: port === '' || +port === PORTS[scheme] ? null : +port, path: [], query, fragment }, path)
  }
  const file = FILE.exec(input)
  if (file) return finished({ scheme: 'file', username: '', password: '', host: '', port: null, path: [], query: file[2] ?? null, fragment: file[3] ?? null }, file[1] as string)

  if (!base || !Object.hasOwn(PORTS, base.scheme)) return
  const relative = RELATIVE.exec(input)
  if (!relative) return
  const { scheme, username, password, host, port } = base
  const [, absolute, tail = '', query = null, fragment = null] = relative
  const record = { scheme, username, password, host, port, path: [] as string[], query, fragment }
  if (absolute !== undefined) return finished(record, absolute)
  record.path = (base.path as string[]).slice()
  if (tail === '') {
    record.query = query ?? base.query
    return record
  }
  record.path.pop()
  return finished(record, tail)
}

/** Appends the segments to the record's path; nothing where a dot is written as a number. */
function finished(record: UrlRecord & { path: string[] }, segments: string): UrlRecord | undefined {
  const { path } = record
  if (!segments.includes('.') && !segments.includes('%')) {
    if (path.length === 0) record.path = segments.split('/')
    else path.push(...segments.split('/'))
    return record
  }
  if (/%2e/i.test(segments)) return
  const all = segments.split('/')
  for (const [at, segment] of all.entries()) {
    if (segment !== '.' && segment !== '..') {
      path.push(segment)
      continue
    }
    if (segment === '..') path.pop()
    if (at === all.length - 1) path.push('')
  }
  return record
}
