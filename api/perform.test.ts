import { randomUUID } from 'node:crypto'
import { Type } from 'typebox'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { openProgressRows, type ProgressRows } from '../runtime/store/progress-rows.ts'
import { openRequestRows } from '../runtime/store/request-rows.ts'
import { openTemporary, type TemporaryDatabase } from '../runtime/store/store.setup.ts'
import { openMatching } from './etags.ts'
import { type Asked, operation, type Services, Upload } from './operation.ts'
import { failureText, openPerform, type Perform, type Written } from './perform.ts'

let temporary: TemporaryDatabase
let progress: ProgressRows
let perform: Perform
let thing = { size: 0, secret: 'hidden' }
let runs = 0
let reportLater: Asked['report'] = () => {}
let written: Written[] = []
let gate = Promise.withResolvers<void>()

beforeAll(async () => {
  temporary = await openTemporary()
  const { sql } = temporary.database
  progress = openProgressRows(sql, { alone: true, failed: failureText })
  const services = { progress } as unknown as Services
  const onWritten = async (one: Written) => void written.push(one)
  perform = openPerform({ services, progress, requests: openRequestRows(sql, { alone: true }), matching: openMatching(), onWritten })
})
afterAll(() => temporary?.[Symbol.asyncDispose]())
beforeEach(() => {
  runs = 0
  written = []
  thing = { size: 0, secret: 'hidden' }
  gate = Promise.withResolvers<void>()
})

const Thing = Type.Object({ size: Type.Integer(), secret: Type.String({ secret: true }) })
const common = { scope: 'things:write', input: Type.Object({ name: Type.String(), size: Type.Integer() }), output: Thing, example: { name: 'a', size: 1 } } as const

const get = operation({
  ...common,
  name: 'things:get',
  http: 'GET /v1/things/:name',
  scope: 'things:read',
  summary: 'Show a thing',
  input: Type.Object({ name: Type.String() }),
  tagged: true,
  example: { name: 'a' },
  run: () => thing,
})
const set = operation({
  ...common,
  name: 'things:set',
  http: 'PUT /v1/things/:name',
  summary: 'Set a thing',
  tagged: true,
  before: () => thing,
  run: async (_, { size }) => {
    runs++
    if (size < 0) throw new BulkheadError('CONFLICT', 'cannot be negative')
    if (size === 503) throw new BulkheadError('BUSY', 'not now')
    thing = { ...thing, size }
    return thing
  },
})
const slow = operation({
  ...common,
  name: 'things:grow',
  http: 'POST /v1/things/:name/grow',
  summary: 'Grow a thing',
  long: true,
  run: async (_, { size }, { report }) => {
    runs++
    report({ step: 'growing', done: 2, of: 5 })
    reportLater = report
    await gate.promise
    if (size < 0) throw new Error('a secret of /srv')
    thing = { ...thing, size }
    return thing
  },
})

const caller = { id: randomUUID(), name: 'test', scopes: ['*'] } as unknown as Asked['caller']
const asked: Asked = { requestId: 'r1', caller, report() {} }
const send = (which: typeof set, input: object, headers: Record<string, string> = {}, by = asked) => perform(which, input, by, new Headers(headers))
const setTo = (size: number, headers: Record<string, string> = {}) => send(set, { name: 'a', size }, headers)

describe('an idempotency key', () => {
  it('has a write done once, and answered the same', async () => {
    const key = { 'idempotency-key': randomUUID() }
    const first = await setTo(1, key)
    const again = await setTo(1, key)
    expect(runs).toBe(1)
    expect(first).toMatchObject({ status: 200, value: { size: 1, secret: 'hidden' } })
    expect(again).toMatchObject({ status: 200, headers: { etag: first.headers['etag'], 'idempotency-replayed': 'true' } })
    expect(JSON.parse(again.text!)).toEqual({ size: 1, secret: '(not kept)' })
    await setTo(1)
    expect(runs).toBe(2)
  })

  it('has it done once where it is sent many times at once', async () => {
    const key = { 'idempotency-key': randomUUID() }
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => setTo(7, key)))
    expect(runs).toBe(1)
    for (const one of all) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'CONFLICT' })
      else expect(one.value.status).toBe(200)
    }
    expect((await setTo(7, key)).headers).toHaveProperty('idempotency-replayed')
  })

  it('is refused with another request, and is each caller’s own', async () => {
    const key = { 'idempotency-key': randomUUID() }
    await setTo(1, key)
    await expect(setTo(2, key)).rejects.toMatchObject({ code: 'INVALID' })
    await expect(send(slow, { name: 'a', size: 1 }, key)).rejects.toMatchObject({ code: 'INVALID' })
    const other = { ...asked, caller: { ...caller, id: randomUUID() } }
    expect(await send(set, { name: 'a', size: 2 }, key, other)).toMatchObject({ value: { size: 2 } })
  })

  it('guards on where the answer is too large to be kept, and says so', async () => {
    const key = { 'idempotency-key': randomUUID() }
    thing = { size: 0, secret: 'hidden', ...({ text: 'x'.repeat(300_000) } as object) }
    expect(await setTo(1, key)).toMatchObject({ status: 200 })
    await expect(setTo(1, key)).rejects.toMatchObject({
      code: 'CONFLICT', message: expect.stringMatching(/was done, and answered with 200: its answer of 300\d\d\d bytes is not kept/), details: { status: 200 },
    })
    expect(runs).toBe(1)
  })

  it('keeps a refusal, and lets be tried again what failed on our side', async () => {
    const key = { 'idempotency-key': randomUUID() }
    const first = await setTo(-1, key)
    expect(first).toMatchObject({ status: 409, value: { error: { code: 'CONFLICT' } } })
    expect(JSON.parse((await setTo(-1, key)).text!)).toEqual({ error: { code: 'CONFLICT', message: 'cannot be negative' } })
    expect(runs).toBe(1)
    const other = { 'idempotency-key': randomUUID() }
    await expect(setTo(503, other)).rejects.toMatchObject({ code: 'BUSY' })
    await expect(setTo(503, other)).rejects.toMatchObject({ code: 'BUSY' })
    expect(runs).toBe(3)
  })

  it('is free again where the host that had it is gone, and a day later', async () => {
    const { sql } = temporary.database
    const lost = randomUUID()
    await setTo(1, { 'idempotency-key': lost })
    await sql`update bulkhead.requests set status = null, host = ${randomUUID()} where key = ${lost}`
    expect((await setTo(1, { 'idempotency-key': lost })).headers).not.toHaveProperty('idempotency-replayed')
    const old = randomUUID()
    await setTo(1, { 'idempotency-key': old })
    await sql`update bulkhead.requests set created_at = now() - interval '24 hours 1 minute' where key = ${old}`
    expect((await setTo(2, { 'idempotency-key': old })).value).toMatchObject({ size: 2 })
  })

  it.each(['', 'x'.repeat(201), 'two words', 'ü'.normalize('NFC')])('is not %j', async (key) => {
    await expect(setTo(1, { 'idempotency-key': key })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    expect(await setTo(1, { 'idempotency-key': 'x'.repeat(200) })).toMatchObject({ status: 200 })
  })
})

describe('a resource', () => {
  const tagNow = async () => (await send(get, { name: 'a' })).headers['etag']!

  it('has a tag that changes with it, and is not sent again to who has it', async () => {
    const tag = await tagNow()
    expect(tag).toMatch(/^"[\w-]{22}"$/)
    expect(await send(get, { name: 'a' }, { 'if-none-match': `"x", W/${tag}` })).toEqual({ status: 304, headers: { etag: tag }, value: undefined })
    thing = { ...thing, size: 9 }
    expect(await tagNow()).not.toBe(tag)
    expect((await send(get, { name: 'a' }, { 'if-none-match': tag })).status).toBe(200)
  })

  it('is written only while it is as it was read', async () => {
    const tag = await tagNow()
    const done = await setTo(1, { 'if-match': tag })
    expect(done.headers['etag']).toBe(await tagNow())
    await expect(setTo(2, { 'if-match': tag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', status: 412, details: { etag: await tagNow() } })
    expect(runs).toBe(1)
    expect(await setTo(3, { 'if-match': `"other", ${await tagNow()}` })).toMatchObject({ status: 200 })
    expect(await setTo(4, { 'if-match': '*' })).toMatchObject({ status: 200 })
    await expect(setTo(5, { 'if-match': `W/${await tagNow()}` })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  })

  it('is written once by those who read it together', async () => {
    const tag = await tagNow()
    const all = await Promise.allSettled([1, 2, 3, 4].map((size) => setTo(size, { 'if-match': tag })))
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(runs).toBe(1)
  })

  it('is not guarded by a header where there is nothing to compare', async () => {
    await expect(send(slow, { name: 'a', size: 1 }, { 'if-match': '"x"' })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    expect(runs).toBe(0)
  })
})

describe('a write', () => {
  it('is done though what was before cannot be read', async () => {
    const blind = { ...set, before: () => { throw new BulkheadError('INVALID', 'it does not fit') } }
    expect(await send(blind, { name: 'a', size: 1 })).toMatchObject({ status: 200 })
    expect(written).toMatchObject([{ status: 200, before: undefined, after: { size: 1 } }])
  })

  it('is told with what was before and after it, and nothing secret', async () => {
    await setTo(1)
    expect(written).toMatchObject([
      { status: 200, error: undefined, input: { name: 'a', size: 1 }, before: { size: 0, secret: '(not kept)' }, after: { size: 1, secret: '(not kept)' } },
    ])
    await expect(setTo(-1)).rejects.toThrow()
    expect(written[1]).toMatchObject({ status: 409, error: { code: 'CONFLICT' }, before: { size: 1 }, after: undefined })
    await send(get, { name: 'a' })
    expect(written).toHaveLength(2)
    expect(JSON.stringify(written.map(({ input, before, after }) => [input, before, after]))).not.toContain('hidden')
  })
})

describe('long work', () => {
  const idOf = ({ headers }: { headers: Record<string, string> }) => /^\/v1\/progress\/([0-9a-f-]{36})$/.exec(headers['location']!)![1]!
  const ended = async (id: string) => {
    for (;;) {
      const found = await progress.find(id)
      if (found?.state !== 'running') return found
    }
  }

  it('is answered in place where it is done in time', async () => {
    gate.resolve()
    expect(await send(slow, { name: 'a', size: 5 })).toMatchObject({ status: 200, value: { size: 5 } })
  })

  it('is answered at once with where to ask for it, says how far it is, and what came of it', async () => {
    const reply = await send(slow, { name: 'a', size: 5 }, { prefer: 'respond-async' })
    const id = idOf(reply)
    expect(reply).toMatchObject({ status: 202, value: { id, operation: 'things:grow', state: 'running', step: 'growing (2 of 5)', percent: 40, result: null } })
    gate.resolve()
    expect(await ended(id)).toMatchObject({ state: 'done', percent: 100, result: { size: 5, secret: '(not kept)' }, error: null, endedAt: expect.any(Date) })
    expect(written).toMatchObject([{ status: 200 }])
  })

  it('tells every host how far it is, however fast its steps follow each other', async () => {
    const id = idOf(await send(slow, { name: 'a', size: 5 }, { prefer: 'respond-async' }))
    const others = openProgressRows(temporary.database.sql, { alone: false, failed: failureText })
    for (let done = 1; done <= 4; done++) reportLater({ step: 'grown', done, of: 4 })
    expect(await progress.find(id)).toMatchObject({ step: 'grown (4 of 4)', percent: 100 })
    await expect.poll(() => others.find(id)).toMatchObject({ state: 'running', step: 'grown (4 of 4)', percent: 100 })
    reportLater({ step: 'tidying up' })
    expect(await progress.find(id)).toMatchObject({ step: 'tidying up', percent: null })
    gate.resolve()
    expect(await ended(id)).toMatchObject({ state: 'done', step: 'tidying up', percent: 100 })
  })

  it('that is waited for is answered so too, once it has been', async () => {
    const reply = await send(slow, { name: 'a', size: 5 }, { prefer: 'wait=1' })
    expect(reply.status).toBe(202)
    gate.resolve()
    expect(await ended(idOf(reply))).toMatchObject({ state: 'done' })
  })

  it('that fails says why, and nothing of what is ours', async () => {
    const id = idOf(await send(slow, { name: 'a', size: -1 }, { prefer: 'respond-async' }))
    gate.resolve()
    const found = await ended(id)
    expect(found).toMatchObject({ state: 'failed', result: null, error: { code: 'INTERNAL' } })
    expect(JSON.stringify(found)).not.toContain('/srv')
  })

  it('is lost where its host is gone', async () => {
    const id = idOf(await send(slow, { name: 'a', size: 1 }, { prefer: 'respond-async' }))
    const { sql } = temporary.database
    await sql`update bulkhead.progress set host = ${randomUUID()} where id = ${id}`
    expect(await progress.find(id)).toMatchObject({ state: 'lost' })
    const others = openProgressRows(sql, { alone: false, failed: failureText })
    expect(await others.find(id)).toMatchObject({ state: 'running' })
    await sql`update bulkhead.progress set leased_until = now() - interval '1 second' where id = ${id}`
    expect(await others.find(id)).toMatchObject({ state: 'lost' })
    gate.resolve()
  })

  it('that reads an upload is answered once that has been read', async () => {
    const taken = operation({
      ...common,
      name: 'things:take',
      http: 'POST /v1/things',
      summary: 'Take a thing',
      input: Type.Object({ bytes: Upload }),
      upload: 'bytes',
      long: true,
      example: { bytes: undefined as never },
      run: async (_, { bytes }) => {
        let size = 0
        for await (const chunk of bytes) size += chunk.byteLength
        await gate.promise
        return { ...thing, size }
      },
    })
    const rest = Promise.withResolvers<void>()
    let isRead = false
    async function* body() {
      yield new Uint8Array(2)
      await rest.promise
      isRead = true
      yield new Uint8Array(3)
    }
    const answered = send(taken, { bytes: body() }, { prefer: 'respond-async' }).then((reply) => ({ reply, isRead }))
    setImmediate(rest.resolve)
    const { reply, isRead: wasRead } = await answered
    expect([reply.status, wasRead]).toEqual([202, true])
    gate.resolve()
    expect(await ended(idOf(reply))).toMatchObject({ state: 'done', result: { size: 5 } })
  })

  it('keeps its lease for as long as it runs', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const id = idOf(await send(slow, { name: 'a', size: 1 }, { prefer: 'respond-async' }))
      const { sql } = temporary.database
      await sql`update bulkhead.progress set leased_until = now() where id = ${id}`
      vi.advanceTimersByTime(10_000)
      const leased = async () => (await sql`select leased_until > now() + interval '20 seconds' as is from bulkhead.progress where id = ${id}`)[0]?.['is']
      while (!(await leased())) await new Promise(setImmediate)
      gate.resolve()
      await ended(id)
    } finally {
      vi.useRealTimers()
    }
  })

  it('is begun once under an idempotency key, and answered with the same place', async () => {
    const headers = { prefer: 'respond-async', 'idempotency-key': randomUUID() }
    const first = await send(slow, { name: 'a', size: 5 }, headers)
    const again = await send(slow, { name: 'a', size: 5 }, headers)
    expect([again.status, idOf(again), runs]).toEqual([202, idOf(first), 1])
    gate.resolve()
    expect(await ended(idOf(first))).toMatchObject({ state: 'done' })
  })
})
