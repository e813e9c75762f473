import { BulkheadError } from '../bridge/errors.ts'

/** Where a module is in a git repository. */
export interface GitAddress {
  url: string
  protocol: 'https' | 'ssh' | 'file'
  /** A branch, a tag or a commit; `HEAD` is the repository's own branch. */
  ref: string
  /** The folder within, empty for the root. */
  subfolder: string
}

const NAME = /^[A-Za-z0-9][\w.+-]*(\/[A-Za-z0-9_][\w.+-]*)*$/
const LONGEST = 1000

/**
 * Reads `URL#REF:FOLDER`, of which the reference and the folder may be left out.
 *
 * @throws BulkheadError `INVALID` for another protocol than https and ssh (and file, for whoever runs the host itself),
 * for credentials in it, and for what git could take as something else than a name
 * @example parseGitAddress('https://example.org/modules.git#v1.2:pii-filter')
 */
export function parseGitAddress(text: string, { allowFile = false } = {}): GitAddress {
  const [address = '', fragment = '', ...more] = text.slice(0, LONGEST + 1).split('#')
  const [ref, subfolder = '', ...rest] = fragment.split(':')
  const protocol = protocolOf(address)
  if (text.length > LONGEST || more.length > 0 || rest.length > 0 || protocol === undefined || (protocol === 'file' && !allowFile)) {
    throw refused('an address is https://…, ssh://… or user@host:path, with #ref or #ref:folder behind it')
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f\\]/.test(address)) throw refused('an address has no spaces, backslashes or control characters')
  if (protocol !== 'file' && hasCredentials(address, protocol)) throw refused('an address with credentials in it would be kept and shown')
  if (address.includes('?')) throw refused('an address with a query in it would be kept and shown, and secrets may stand there')
  if (ref && (!NAME.test(ref) || ref.includes('..') || ref.endsWith('.lock') || ref.endsWith('.'))) throw refused(`"${ref}" is not the name of a branch, a tag or a commit`)
  if (subfolder && (!NAME.test(subfolder) || subfolder.split('/').includes('..'))) throw refused(`"${subfolder}" is not the path of a folder`)
  return { url: address, protocol, ref: ref || 'HEAD', subfolder }
}

function protocolOf(address: string): GitAddress['protocol'] | undefined {
  const scheme = /^([a-z+]+):\/\/[^/-]/i.exec(address)?.[1]?.toLowerCase()
  if (scheme === 'https' || scheme === 'ssh') return scheme
  if (/^file:\/\/\//i.test(address)) return 'file'
  // As scp has it. `::` would name a program that git runs.
  return /^[a-z_][\w.-]*@[a-z0-9][\w.-]*:(?!:)[^-]/i.test(address) ? 'ssh' : undefined
}

function hasCredentials(address: string, protocol: 'https' | 'ssh'): boolean {
  const authority = /^[a-z]+:\/\/([^/?]*)/i.exec(address)?.[1] ?? ''
  const user = authority.includes('@') ? authority.slice(0, authority.lastIndexOf('@')) : ''
  return user.includes(':') || (protocol === 'https' && user !== '')
}

function refused(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot fetch from git: ${why}`)
}
