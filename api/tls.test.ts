import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { listen } from './server.ts'
import { readTls } from './tls.ts'

const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0
  } catch {
    console.warn('openssl is not here: HTTPS is not tried')
    return false
  }
})()

let folder: string
const file = (name: string) => join(folder, name)
const certify = (name: string) =>
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)], { stdio: 'ignore' })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-'))
  if (!hasOpenssl) return
  certify('good')
  certify('other')
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

describe.runIf(hasOpenssl)('HTTPS', () => {
  it('is spoken where a certificate and its key are given', async () => {
    const tls = readTls({ cert: file('good.crt'), key: file('good.key') })
    await using server = await listen({ fetch: () => new Response('hello'), host: '127.0.0.1', port: 0, drainMs: 1000, tls })
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    request({ host: '127.0.0.1', port: server.port, ca: readFileSync(file('good.crt')), agent: false }, (answer) => {
      answer.setEncoding('utf8').on('data', resolve)
    }).on('error', reject).end()
    expect(await promise).toBe('hello')
  })

  it('is refused with what does not fit, and nothing of a key is told', async () => {
    await writeFile(file('none.pem'), '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n')
    const said = (cert: string, key: string) => {
      try {
        readTls({ cert: file(cert), key: file(key) })
        return 'nothing'
      } catch (thrown) {
        return (thrown as Error).message.replaceAll(folder, '')
      }
    }
    expect(said('good.crt', 'other.key')).toBe('cannot serve HTTPS, the private key in /other.key is not that of the certificate in /good.crt')
    expect(said('missing.crt', 'good.key')).toBe('cannot serve HTTPS, the certificate cannot be read from /missing.crt: ENOENT')
    expect(said('good.key', 'good.key')).toBe('cannot serve HTTPS, /good.key holds no certificate in PEM, or one with a passphrase')
    expect(said('good.crt', 'none.pem')).toBe('cannot serve HTTPS, /none.pem holds no private key in PEM, or one with a passphrase')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2100, 0) })
    expect(said('good.crt', 'good.key')).toMatch(/^cannot serve HTTPS, the certificate in \/good.crt has expired, on /)
    vi.useRealTimers()
  })
})
