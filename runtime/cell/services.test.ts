import { expect, test } from 'vitest'
import { CELL_CAPS } from '../../bridge/cell-calls.ts'
import { type Execution, openExecution } from './execution.ts'
import { openServices } from './services.ts'

const open = (): Execution => openExecution('e', { memoryMB: 64, cpuMs: 1_000, wallMs: 1_000 })
const generate = (algorithm: object, usages: string[]) => JSON.stringify({ op: 'generateKey', algorithm, extractable: true, usages })
const exponent = { $b: 'AQAB' }
const derive = (iterations: number) =>
  JSON.stringify({
    op: 'deriveBits',
    algorithm: { name: 'PBKDF2', hash: 'SHA-1', salt: { $b: 'AAAA' }, iterations },
    key: { type: 'secret', format: 'raw', material: 'AAAA', algorithm: { name: 'PBKDF2' }, extractable: false, usages: ['deriveBits'] },
    length: 160,
  })
const bytes = (length: number) => Buffer.alloc(length).toString('base64')

test('what the pool works for an execution is charged to it', async () => {
  const services = openServices()
  const execution = open()
  await services.ask(execution, 'cell.crypto', derive(200_000))
  expect(execution.cpuMs).toBeGreaterThan(1)
  services.close()
})

test('a key may have so many bits, and be derived with so many rounds, and no more', async () => {
  const services = openServices()
  const rsa = (modulusLength: number) => services.ask(open(), 'cell.crypto', generate({ name: 'RSA-PSS', hash: 'SHA-1', modulusLength, publicExponent: exponent }, ['sign', 'verify']))
  expect(await rsa(CELL_CAPS.rsaBits + 8)).toMatch(/^!\{"name":"QuotaExceededError"/)
  expect(await rsa(1_024)).toMatch(/^\{"publicKey"/)
  expect(await services.ask(open(), 'cell.crypto', derive(CELL_CAPS.rounds + 1))).toMatch(/^!\{"name":"QuotaExceededError"/)
  expect(await services.ask(open(), 'cell.crypto', derive(CELL_CAPS.rounds))).toMatch(/^null\0/)
  services.close()
})

test.each([
  ['the key of an HMAC', { op: 'generateKey', usages: ['sign'] }, (length: number) => ({ name: 'HMAC', hash: 'SHA-1', length })],
  ['what a function puts out', { op: 'digest' }, (outputLength: number) => ({ name: 'cSHAKE128', outputLength })],
])('%s may have so many bits, and no more', async (_, order, algorithmOf) => {
  const services = openServices()
  const make = (bits: number) => services.ask(open(), 'cell.crypto', `${JSON.stringify({ ...order, extractable: true, algorithm: algorithmOf(bits) })}\0AAAA`)
  expect(await make(CELL_CAPS.madeBits)).not.toMatch(/^!/)
  expect(await make(CELL_CAPS.madeBits + 8)).toMatch(/^!\{"name":"QuotaExceededError"/)
  services.close()
})

test('a key that is derived counts its rounds by its length', async () => {
  const services = openServices()
  const order = JSON.parse(derive(CELL_CAPS.rounds / 4)) as { key: object }
  const key = { ...order.key, usages: ['deriveKey'] }
  const make = (length: number) => services.ask(open(), 'cell.crypto', JSON.stringify({ ...order, op: 'deriveKey', key, derived: { name: 'HMAC', hash: 'SHA-1', length }, extractable: true, usages: ['sign'] }))
  expect(await make(4 * 256)).toMatch(/^\{"type":"secret"/)
  expect(await make(4 * 256 + 8)).toMatch(/^!\{"name":"QuotaExceededError"/)
  services.close()
})

test('what takes as much memory and time as it is told is not done', async () => {
  const services = openServices()
  const key = { type: 'secret', format: 'raw-secret', material: 'AAAA', algorithm: { name: 'Argon2id' }, extractable: false, usages: ['deriveBits'] }
  const algorithm = { name: 'Argon2id', nonce: { $b: bytes(16) }, parallelism: 1, memory: 64, passes: 1 }
  expect(await services.ask(open(), 'cell.crypto', JSON.stringify({ op: 'deriveBits', algorithm, key, length: 256 }))).toMatch(/^!\{"name":"NotSupportedError"/)
  services.close()
})

test('an RSA key that was made elsewhere may have so many bits', async () => {
  const services = openServices()
  // Nobody asks of a public key whether it is one.
  const read = (bits: number) => {
    const jwk = { kty: 'RSA', e: 'AQAB', n: Buffer.alloc(bits / 8, 255).toString('base64url') }
    return services.ask(open(), 'cell.crypto', JSON.stringify({ op: 'importKey', format: 'jwk', algorithm: { name: 'RSA-PSS', hash: 'SHA-1' }, jwk, extractable: true, usages: ['verify'] }))
  }
  expect(await read(CELL_CAPS.importedRsaBits)).toMatch(/^\{"type":"public"/)
  expect(await read(CELL_CAPS.importedRsaBits + 8)).toMatch(/^!\{"name":"QuotaExceededError"/)
  services.close()
})

test('an execution may have so many bytes worked on', async () => {
  const services = openServices()
  const execution = open()
  const piece = bytes(2 * 1024 * 1024)
  const digest = () => services.ask(execution, 'cell.crypto', `{"op":"digest","algorithm":"SHA-1"}\0${piece}`)
  for (let sum = 0; sum < CELL_CAPS.bytes; sum += 2 * 1024 * 1024) await digest()
  await expect(digest()).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'bytes' } })
  services.close()
})

test('so many bytes may wait in pieces, and what is used up waits no more', async () => {
  const services = openServices()
  const execution = open()
  const piece = bytes(2 * 1024 * 1024)
  const fill = async (id: number) => {
    for (let sum = 0; sum < CELL_CAPS.stagedBytes; sum += 2 * 1024 * 1024) await services.ask(execution, 'cell.stage', `${id}\0${piece}`)
  }
  await fill(1)
  expect(await services.ask(execution, 'cell.crypto', '{"op":"digest","algorithm":"SHA-1"}\0#1')).toMatch(/^null\0/)
  await fill(2)
  await expect(services.ask(execution, 'cell.stage', `2\0${piece}`)).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'stagedBytes' } })
  services.close()
})

test('what is decompressed comes no further than it is taken', async () => {
  const { gzipSync } = await import('node:zlib')
  const services = openServices()
  const execution = open()
  const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024)).toString('base64')
  const order = (op: string) => JSON.stringify({ op, id: 1, format: 'gzip', unzip: true })
  let answer = await services.ask(execution, 'cell.zip', `${order('end')}\0${bomb}`)
  let length = 0
  for (;;) {
    const [head = '', body = ''] = answer.split('\0')
    const out = Buffer.from(body, 'base64').length
    expect(out).toBeLessThanOrEqual(CELL_CAPS.outBytes)
    length += out
    if (head !== '{"more":true}') break
    answer = await services.ask(execution, 'cell.zip', order('more'))
  }
  expect(length).toBe(20 * 1024 * 1024)
  services.close()
})

test('so many streams are open, and past them the oldest is given up', async () => {
  const services = openServices()
  const execution = open()
  const order = (op: string, id: number) => JSON.stringify({ op, id, format: 'gzip', unzip: false })
  for (let id = 1; id <= CELL_CAPS.streams; id++) await services.ask(execution, 'cell.zip', `${order('write', id)}\0AAAA`)
  expect(await services.ask(execution, 'cell.zip', order('more', 1))).toMatch(/^\{"more":false\}/)
  await services.ask(execution, 'cell.zip', `${order('write', 99)}\0AAAA`)
  expect(await services.ask(execution, 'cell.zip', order('more', 1))).toMatch(/^!\{"name":"TypeError"/)
  expect(await services.ask(execution, 'cell.zip', order('more', 2))).toMatch(/^\{"more":false\}/)
  services.close()
})

test('what is parsed is bounded before: the JSON of a call, its depth and its parts', async () => {
  const services = openServices()
  const digest = (more: string) => services.ask(open(), 'cell.crypto', `{"op":"digest","algorithm":"SHA-1","x":"${more}"}\0AAAA`)
  expect(await digest('x'.repeat(CELL_CAPS.headLength - 100))).toMatch(/^null\0/)
  await expect(digest('x'.repeat(CELL_CAPS.headLength))).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'headLength' } })
  expect(await services.ask(open(), 'cell.crypto', '['.repeat(60_000))).toMatch(/^!/)
  expect(await services.ask(open(), 'cell.crypto', `{"op":"digest","algorithm":"SHA-1"}${'\0'.repeat(1_000_000)}`)).toMatch(/^null\0/)
  services.close()
})

test.each(['', '{', 'null', '5', '{"op":"constructor"}', '{"op":"digest"}', '{"op":"sign","algorithm":{"name":"HMAC"},"key":5}', '{"op":"generateKey","algorithm":{"name":"AES-GCM","length":1e9},"usages":["encrypt"]}'])('%j is answered with an error', async (args) => {
  const services = openServices()
  expect(await services.ask(open(), 'cell.crypto', args)).toMatch(/^!/)
  expect(await services.ask(open(), 'cell.zip', args)).toMatch(/^!/)
  services.close()
})
