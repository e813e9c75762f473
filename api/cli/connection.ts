import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Io } from './io.ts'
import { UsageError } from './usage.ts'

/** Where the server is, and the key it is asked with: never to be shown. */
export interface Connection {
  url: string
  key: string | undefined
  /** Where a key would have been found, for the message about its absence. */
  sought: string
}

/**
 * Which server is asked: `BULKHEAD_URL` and `BULKHEAD_KEY`, or the one that the local data folder belongs to. The key of
 * that folder goes to this machine only, whatever the URL says.
 *
 * @throws UsageError for a URL that is none
 */
export function connectionOf({ env, cwd }: Pick<Io, 'env' | 'cwd'>): Connection {
  const url = urlOf(env['BULKHEAD_URL'] || `${env['BULKHEAD_TLS_CERT'] ? 'https' : 'http'}://127.0.0.1:${env['PORT'] || '7700'}`)
  const folder = env['BULKHEAD_DATA'] || '.bulkhead'
  const file = join(isAbsolute(folder) ? folder : join(cwd, folder), 'admin.key')
  const given = env['BULKHEAD_KEY'] || undefined
  const isLocal = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  const key = given ?? (isLocal ? env['BULKHEAD_ADMIN_KEY'] || keyIn(file) : undefined)
  if (key !== undefined && !/^[\w.~+/=-]{1,200}$/.test(key)) throw new UsageError('BULKHEAD_KEY has a wrong form (a secret, so not shown)')
  return { url: url.href.replace(/(\/v1)?\/?$/, ''), key, sought: isLocal ? `BULKHEAD_KEY or ${file}` : 'BULKHEAD_KEY' }
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) throw new UsageError('BULKHEAD_URL must be the address of a server, such as http://127.0.0.1:7700')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError('BULKHEAD_URL must have no user, password, query or fragment; the key goes into BULKHEAD_KEY')
  }
  return url
}

function keyIn(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
