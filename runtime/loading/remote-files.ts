import { lookup } from 'node:dns'
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { join, posix } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import { sha256 } from '../artifacts.ts'
import { mediaOfType } from '../bundler/media.ts'
import type { Media, PinnedFile } from '../bundler/pins.ts'
import { isPublic } from '../../bridge/net-address.host.ts'

export interface RemoteFilesOptions {
  /** The folder that keeps what was fetched. */
  folder: string
  /** `host` or `host:port` of what may be imported from though it is private, and without TLS. */
  privateHosts: readonly string[]
  /** The address, with `/` at the end, of a registry that the operator has chosen, wherever it stands. */
  registry: string | undefined
}

/** A file of an address, or where it is instead. */
export type RemoteFile = (PinnedFile & { hash: string }) | { redirect: string }

export interface RemoteFiles {
  /**
   * @param expected SHA-256 in hexadecimal that the content must have
   * @param isFresh whether what was kept may only stand in where the address cannot be reached
   * @throws BulkheadError `INVALID`, `NOT_FOUND`, `UNAVAILABLE`
   */
  fetch(url: string, expected?: string, isFresh?: boolean): Promise<RemoteFile>
  read(file: PinnedFile): Promise<Buffer>
}

export const MAX_REMOTE_BYTES = 4 * 1024 * 1024
const TIMEOUT_MS = 30_000

interface About {
  url: string
  hash?: string
  media?: Media
  redirect?: string
}

/**
 * Files of addresses that strangers have written: fetched by the host, kept for ever, and named by their content. An
 * address that leads into a private network is refused wherever it comes from, be it a redirect or a DNS answer.
 */
export function openRemoteFiles({ folder, privateHosts, registry }: RemoteFilesOptions): RemoteFiles {
  const underWay = new Map<string, Promise<RemoteFile>>()
  const aboutPath = (url: string) => join(folder, `${sha256(url)}.json`)

  async function kept(url: string): Promise<RemoteFile | undefined> {
    const text = await readFile(aboutPath(url), 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    const { redirect, hash, media } = JSON.parse(text) as About
    if (redirect !== undefined) return { redirect }
    const content = await readFile(join(folder, hash ?? '')).catch(() => undefined)
    return content && hash !== undefined && sha256(content) === hash ? { file: hash, hash, media: media ?? 'other' } : undefined
  }

  async function keep(url: string, content: Buffer, media: Media): Promise<RemoteFile> {
    const hash = sha256(content)
    await place(join(folder, hash), content)
    await place(aboutPath(url), JSON.stringify({ url, hash, media } satisfies About))
    return { file: hash, hash, media }
  }

  async function place(path: string, content: string | Buffer): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const draft = `${path}.${randomUUID()}`
    await writeFile(draft, content, { flag: 'wx', mode: 0o600 })
    await rename(draft, path)
  }

  async function download(url: string): Promise<RemoteFile> {
    const isOperators = registry !== undefined && url.startsWith(registry)
    const answer = await ask(new URL(url), isOperators || isNamed(new URL(url), privateHosts))
    try {
      const { statusCode = 0, headers } = answer
      if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
        const redirect = new URL(headers.location, url).href
        if (!/^https?:/.test(redirect)) throw refusal('INVALID', url, `it leads to "${redirect.slice(0, 100)}"`)
        await place(aboutPath(url), JSON.stringify({ url, redirect } satisfies About))
        return { redirect }
      }
      if (statusCode === 404 || statusCode === 410) throw refusal('NOT_FOUND', url, `the server answers ${statusCode}`)
      if (statusCode !== 200) throw refusal('UNAVAILABLE', url, `the server answers ${statusCode}`)
      return await keep(url, await bodyOf(url, answer), mediaOf(url, headers['content-type']))
    } finally {
      answer.destroy()
    }
  }

  async function fetch(url: string, expected: string | undefined, isFresh: boolean): Promise<RemoteFile> {
    const earlier = await kept(url)
    const isExpected = (file: RemoteFile) => expected === undefined || 'redirect' in file || file.hash === expected
    if (earlier && !isFresh && isExpected(earlier)) return earlier
    const file = await download(url).catch((thrown: BulkheadError) => {
      if (earlier && isExpected(earlier) && thrown.code === 'UNAVAILABLE') return earlier
      throw thrown
    })
    if (!isExpected(file)) throw refusal('INVALID', url, 'its content is not what the lock has', { expected, found: 'hash' in file ? file.hash : undefined })
    return file
  }

  return {
    fetch(url, expected, isFresh = false) {
      const key = `${url} ${expected ?? ''}`
      const running = underWay.get(key) ?? fetch(url, expected, isFresh).finally(() => underWay.delete(key))
      underWay.set(key, running)
      return running
    },
    read: ({ file }) => readFile(join(folder, file)),
  }
}

function isNamed({ host, hostname }: URL, hosts: readonly string[]): boolean {
  return hosts.includes(host) || hosts.includes(hostname)
}

/** @param mayBePrivate whether the operator has said that it may be in a private network, and without TLS */
async function ask(url: URL, mayBePrivate: boolean): Promise<IncomingMessage> {
  if (url.username !== '' || url.password !== '') throw refusal('INVALID', url.href, 'it has a user name or a password')
  if (url.protocol !== 'https:' && !mayBePrivate) throw refusal('INVALID', url.href, 'it is not https:')
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  if (!mayBePrivate && isIP(literal) !== 0 && !isPublic(literal)) throw refusal('INVALID', url.href, 'its address is not public')
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const request = send(url, {
      agent: false,
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'Bulkhead' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(!mayBePrivate && { lookup: publicLookup }),
    })
    request.on('response', resolve)
    request.on('error', (error: NodeJS.ErrnoException) => {
      const isPrivate = error.code === NOT_PUBLIC
      reject(refusal(isPrivate ? 'INVALID' : 'UNAVAILABLE', url.href, isPrivate ? 'its address is not public' : `it cannot be reached (${error.code ?? error.name})`))
    })
    request.end()
  })
}

const NOT_PUBLIC = 'ERR_NOT_PUBLIC'

/** Looks a name up and lets no private address through, whatever the name is. */
const publicLookup: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return done(error, '', 0)
    const isBad = addresses.length === 0 || addresses.some(({ address }) => !isPublic(address))
    if (isBad) return done(Object.assign(new Error('the address is not public'), { code: NOT_PUBLIC }), '', 0)
    if (options.all) return done(null, addresses)
    const [{ address, family }] = addresses as [{ address: string; family: number }]
    return done(null, address, family)
  })
}

async function bodyOf(url: string, answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MAX_REMOTE_BYTES) throw refusal('INVALID', url, `it is over ${MAX_REMOTE_BYTES} bytes`)
      chunks.push(chunk)
    }
  } catch (thrown) {
    throw thrown instanceof BulkheadError ? thrown : refusal('UNAVAILABLE', url, 'its content ends too early')
  }
  return Buffer.concat(chunks)
}

/** By its content type, unless that says nothing; JSX by the ending, which no content type tells. */
function mediaOf(url: string, type = ''): Media {
  const ending = posix.extname(new URL(url).pathname).toLowerCase()
  const ofEnding = ENDINGS[ending]
  const ofType = mediaOfType(type)
  const isFiner = (ofType === 'ts' && ofEnding === 'tsx') || (ofType === 'js' && ofEnding === 'jsx')
  return ofType === undefined || isFiner ? (ofEnding ?? 'other') : ofType
}

const ENDINGS: Readonly<Record<string, Media>> = {
  '.ts': 'ts', '.mts': 'ts', '.tsx': 'tsx', '.js': 'js', '.mjs': 'js', '.jsx': 'jsx', '.json': 'json', '.wasm': 'wasm',
}

function refusal(code: 'INVALID' | 'NOT_FOUND' | 'UNAVAILABLE', url: string, why: string, details?: unknown): BulkheadError {
  return new BulkheadError(code, `cannot fetch ${url.slice(0, 300)}, ${why}`, details)
}
