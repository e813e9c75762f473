import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BulkheadError, type ErrorCode } from '../bridge/errors.ts'
import type { Database } from '../runtime/store/database.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { type Answer, type AppUnderTest, type Sent, startApp } from './app.setup.ts'
import { MAX_BODY_BYTES } from './body.ts'
import { operations } from './operations/table.ts'

let app: AppUnderTest
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app?.[Symbol.asyncDispose]())

const send: AppUnderTest['send'] = (...sent) => app.send(...sent)

const refused = (code: ErrorCode, message: unknown = expect.any(String)) => ({
  status: new BulkheadError(code, '').status,
  body: { error: expect.objectContaining({ code, message }) },
})

const UUID = /^[0-9a-f-]{36}$/

/** Makes a key with these scopes only. */
async function keyWith(scopes: string[]): Promise<string> {
  const own = await mkdtemp(join(app.folder, 'key-'))
  const key = `bk_${randomUUID()}`
  await ensureAdminKey(app.database.sql, { folder: own, preset: key })
  await app.database.sql`update bulkhead.api_keys set scopes = ${scopes} where name = 'admin (preset)'`
  return key
}

describe('a key', () => {
  it.each([
    ['no key', null, {}, 'no API key was sent'],
    ['an unknown key', `bk_${'x'.repeat(40)}`, {}, 'the API key is not known'],
    ['another scheme', null, { authorization: 'Basic YTpi' }, 'the header Authorization has a wrong form'],
    ['two keys', null, { authorization: 'Bearer a, Bearer b' }, 'the header Authorization has a wrong form'],
    ['an empty key', null, { authorization: 'Bearer ' }, 'the header Authorization has a wrong form'],
    ['an endless key', 'x'.repeat(201), {}, 'the header Authorization has a wrong form'],
  ])('is asked for where there is %s', async (_, key, headers, message) => {
    const answer = await send('/v1/modules', { key, headers })
    expect(answer).toMatchObject(refused('UNAUTHENTICATED', expect.stringContaining(message)))
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="bulkhead"')
    expect(JSON.stringify(answer.body)).not.toContain(app.folder)
  })

  it('is asked for by every operation, before anything is said about the input', async () => {
    for (const { method, path } of operations) {
      const answer = await send(path, { key: null, method, ...(method === 'GET' ? {} : { text: '{' }) })
      expect(answer).toMatchObject(refused('UNAUTHENTICATED'))
    }
  })

  it('opens what its scopes hold, and nothing else', async () => {
    const key = await keyWith(['modules:read'])
    expect((await send('/v1/modules', { key })).status).toBe(200)
    expect(await send('/v1/modules/pii-filter/reload', { key, method: 'POST' })).toMatchObject(
      refused('FORBIDDEN', 'the API key "admin (preset)" has no scope "modules:write"'),
    )
    const other = await keyWith(['modules'])
    expect(await send('/v1/modules', { key: other })).toMatchObject(refused('FORBIDDEN'))
  })

  it('is not needed to ask after health', async () => {
    expect(await send('/healthz', { key: null })).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(await send('/readyz', { key: null })).toMatchObject({ status: 200, body: { status: 'ready' } })
  })
})

describe('health', () => {
  it('says when modules are not loaded yet, and still lives', async () => {
    const runtime = { ...app.runtime, ready: () => false }
    const answer = await send('/readyz', { key: null }, { runtime })
    expect(answer).toMatchObject(refused('UNAVAILABLE', 'not ready: modules are still being loaded'))
    expect(answer.headers.get('retry-after')).toBe('1')
    expect((await send('/healthz', { key: null }, { runtime })).status).toBe(200)
  })

  it('says when the database does not answer', async () => {
    const sql = (() => {
      const gone = Promise.reject(new Error('gone'))
      gone.catch(() => {}) // some of them are pieces of queries, for which nobody waits
      return gone
    }) as unknown as Database['sql']
    const answer = await send('/readyz', { key: null }, { database: { ...app.database, sql } })
    expect(answer).toMatchObject(refused('UNAVAILABLE', 'not ready: the database does not answer'))
  })
})

describe('every answer', () => {
  it.each(['/v1/modules', '/v1/modules/none', '/nowhere', '/healthz'])('to %s has the same headers', async (path) => {
    const { headers } = await send(path)
    expect(headers.get('x-request-id')).toMatch(UUID)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
  })

  it('has the id that the caller gave, where that is a plain one', async () => {
    const idOf = async (id: string) => {
      const { headers } = await send('/healthz', { headers: { 'x-request-id': id } })
      return headers.get('x-request-id')
    }
    expect(await idOf('abc-1.2:3_4')).toBe('abc-1.2:3_4')
    expect(await idOf('x'.repeat(128))).toBe('x'.repeat(128))
    expect(await idOf('x'.repeat(129))).toMatch(UUID)
    expect(await idOf('a b"<script>')).toMatch(UUID)
  })

  it('says nothing of what broke inside but the id it is logged under', async () => {
    const modules = () => {
      throw new Error('secret of /srv/bulkhead/runtime.ts')
    }
    const runtime = { ...app.runtime, modules }
    const answer = await send('/v1/modules', { headers: { 'x-request-id': 'r1' } }, { runtime })
    expect(answer).toMatchObject({ status: 500, body: { error: { code: 'INTERNAL' } } })
    expect(JSON.stringify(answer.body)).toBe(
      '{"error":{"code":"INTERNAL","message":"internal error, logged with the request id r1"}}',
    )
    const line = app.logged.find(({ requestId, err }) => requestId === 'r1' && err !== undefined)
    expect(line).toMatchObject({ err: { message: 'secret of /srv/bulkhead/runtime.ts' } })
  })

  it('is the same to HEAD, without a body', async () => {
    expect(await send('/v1/modules', { method: 'HEAD' })).toMatchObject({ status: 200, body: undefined })
    expect(await send('/v1/modules', { method: 'HEAD', key: null })).toMatchObject({ status: 401, body: undefined })
  })
})

describe('a route', () => {
  it('that is not there is answered with the nearest', async () => {
    const message = 'no route /v1/module, did you mean "/v1/modules"?'
    expect(await send('/v1/module')).toMatchObject(refused('NOT_FOUND', message))
    expect(await send('/')).toMatchObject(refused('NOT_FOUND', 'no route /, those of the API begin with /v1/'))
    expect(await send('/v1/../etc/passwd')).toMatchObject(refused('NOT_FOUND'))
  })

  it('with another method is answered with its own', async () => {
    const answer = await send('/v1/hooks/chat:before_ai')
    expect(answer).toMatchObject(refused('METHOD_NOT_ALLOWED', 'GET is not for /v1/hooks/chat:before_ai, send POST'))
    expect(answer.headers.get('allow')).toBe('POST, OPTIONS')
    expect(await send('/v1/modules', { method: 'DELETE' })).toMatchObject(refused('METHOD_NOT_ALLOWED'))
  })

  it('tells its methods to OPTIONS, and lets no other origin in', async () => {
    const headers = { origin: 'https://example.org', 'access-control-request-method': 'GET' }
    const answer = await send('/v1/modules', { method: 'OPTIONS', key: null, headers })
    expect(answer).toMatchObject({ status: 204, body: undefined })
    expect(answer.headers.get('allow')).toBe('GET, POST, HEAD, OPTIONS')
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    expect(await send('/nowhere', { method: 'OPTIONS' })).toMatchObject(refused('NOT_FOUND'))
  })
})

describe('calling a hook', () => {
  const call = (body: unknown, sent: Sent = {}) => send('/v1/hooks/chat:before_ai', { body, ...sent })
  const contextOf = ({ body }: Answer) => body.modifications.output.context

  it('needs nothing but a message', async () => {
    const body = { message: { content: 'my mail is jane@example.org' } }
    const answer = await call(body, { headers: { 'x-request-id': 'r1' } })
    expect(contextOf(answer)).toMatchObject({
      requestId: 'r1',
      hook: 'chat:before_ai',
      user: { id: 'anonymous', role: 'student' },
      message: { role: 'user', content: 'my mail is [EMAIL]', seq: 1 },
    })
    expect(answer.body.modifications.message.content).toBe('my mail is [EMAIL]')
  })

  it('works without a body', async () => {
    const answer = await send('/v1/hooks/session:end', { method: 'POST' })
    expect(answer).toMatchObject({ status: 200, body: { action: 'continue', extractions: [], failures: [] } })
  })

  it('is refused with every fault of the context', async () => {
    const body = { mesage: {}, message: { content: 1, role: 'boss' }, session: { startedAt: 'now' }, hook: 'x' }
    const answer = await call(body)
    const message = expect.stringMatching(/^cannot use this context of chat:before_ai: .*, and 4 more$/)
    expect(answer).toMatchObject(refused('INVALID', message))
    const { faults } = answer.body.error.details
    expect(Object.fromEntries(faults.map(({ path, message }) => [path, message]))).toEqual({
      mesage: 'unknown field, did you mean "message"?',
      'message.content': 'must be text, not 1',
      'message.role': expect.stringContaining('"boss"'),
      'session.id': 'is missing',
      'session.startedAt': expect.stringContaining('must be an ISO 8601 time with its zone'),
    })
  })

  it('is refused where the body is of another hook, and where there is no such hook', async () => {
    expect(await call({ hook: 'chat:after_ai' })).toMatchObject(refused('INVALID'))
    expect(await send('/v1/hooks/chat:befor_ai', { body: {} })).toMatchObject(refused('NOT_FOUND'))
    expect(await send('/v1/hooks/constructor', { body: {} })).toMatchObject(refused('NOT_FOUND'))
  })

  it('takes the largest body allowed and refuses one byte more', async () => {
    const bodyOf = (bytes: number) => JSON.stringify({ response: 'x'.repeat(bytes - '{"response":""}'.length) })
    expect((await call(undefined, { text: bodyOf(MAX_BODY_BYTES) })).status).toBe(200)
    expect(await call(undefined, { text: bodyOf(MAX_BODY_BYTES + 1) })).toMatchObject(refused('BODY_TOO_LARGE'))
  })

  it('is refused with the place where the body stops being JSON', async () => {
    const answer = await call(undefined, { text: '{\n "message": {"content": "hi"},\n}' })
    expect(answer).toMatchObject(refused('BAD_REQUEST'))
    expect(answer.body.error.details).toEqual({ line: 3, column: 1, offset: 33 })
  })

  it('is refused with a body of another kind', async () => {
    expect(await call({}, { headers: { 'content-type': 'text/plain' } })).toMatchObject(refused('UNSUPPORTED_MEDIA'))
  })

  it('lets no key of the body reach a prototype', async () => {
    const text = '{"input":{"__proto__":{"polluted":1}}}'
    expect(await call(undefined, { text })).toMatchObject(refused('BAD_REQUEST'))
    const answer = await call(undefined, { text: text.replace('__proto__', 'constructor') })
    expect(contextOf(answer)['input']).toEqual({ constructor: { polluted: 1 } })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('lists of records', () => {
  const now = new Date('2026-01-31T09:30:00.000Z')
  const made = { module: 'lists', version: '1.0.0', execution: randomUUID(), hook: 'chat:before_ai', createdAt: now }

  beforeAll(async () => {
    const { records } = app.runtime
    const extraction = { ...made, data: '{"n":1}', sessionId: 's' }
    await records.addExtractions(
      ['one', 'two', 'three'].map((type, seq) => ({ ...extraction, id: randomUUID(), type, seq, userId: type })),
    )
    const levels = ['debug', 'error'] as const
    records.addLogs(levels.map((level, seq) => ({ ...made, level, seq, message: level })))
    await records.flush()
  })

  const typesOf = async (query: string) => {
    const { body } = await send(`/v1/extractions?module=lists${query}`)
    return body.items.map((item) => item['type'])
  }

  it('are filtered by what the query says', async () => {
    expect(await typesOf('')).toEqual(['three', 'two', 'one'])
    expect(await typesOf('&type=two')).toEqual(['two'])
    expect(await typesOf('&session=s&user=one')).toEqual(['one'])
    expect(await typesOf('&since=2026-01-31T09:30:00Z')).toHaveLength(3)
    expect(await typesOf('&since=2026-01-31T09:30:01Z')).toEqual([])
    const { body } = await send('/v1/logs?module=lists&level=warn')
    expect(body.items).toMatchObject([{ level: 'error', message: 'error', createdAt: now.toISOString() }])
  })

  it('come in pages', async () => {
    const first = await send('/v1/extractions?module=lists&limit=2')
    expect(first.body.items).toHaveLength(2)
    const rest = await send(`/v1/extractions?module=lists&limit=2&cursor=${first.body.nextCursor}`)
    expect(rest.body).toMatchObject({ items: [{ type: 'one' }], nextCursor: null })
  })

  it.each([
    ...['limit=0', 'limit=201', 'limit=x', 'limit=1&limit=2', 'since=yesterday', 'modul=x', 'module=%00'],
    ...['__proto__=1', 'cursor=' + 'x'.repeat(5001), 'search=', 'search=' + 'x'.repeat(201), 'sort=message', 'order=up'],
  ])('refuse the query %s', async (query) => {
    expect(await send(`/v1/extractions?${query}`)).toMatchObject(refused('INVALID'))
  })

  it('are searched and sorted, and refuse the cursor of another sort', async () => {
    expect(await typesOf('&search=TWO')).toEqual(['two'])
    expect(await typesOf('&sort=type&order=asc')).toEqual(['one', 'three', 'two'])
    const { body } = await send('/v1/extractions?module=lists&sort=type&limit=1')
    expect(await typesOf(`&sort=type&cursor=${body.nextCursor}`)).toEqual(['three', 'one'])
    expect(await send(`/v1/extractions?module=lists&cursor=${body.nextCursor}`)).toMatchObject(refused('BAD_REQUEST', expect.stringContaining('cannot go on from the cursor')))
    for (const search of ['x'.repeat(200), '%00', '%25', "'%3B--"]) expect((await send(`/v1/logs?search=${search}`)).body.items).toEqual([])
  })

  it('refuse a cursor that is none', async () => {
    expect((await send('/v1/logs?cursor=abc')).status).toBe(400)
  })

  it('take the smallest and the largest limit', async () => {
    expect((await send('/v1/logs?limit=1')).status).toBe(200)
    expect((await send('/v1/logs?limit=200')).status).toBe(200)
  })
})

describe('the name of a module in a path', () => {
  it('may be percent-encoded', async () => {
    const named = await send('/v1/modules/pii-filter')
    expect(await send('/v1/modules/pii%2Dfilter')).toMatchObject({ status: 200, body: named.body })
    expect((await send('/v1/modules/%70%69%69-filter/config')).status).toBe(200)
  })

  it.each(['/v1/modules/%zz', '/v1/modules/pii%', '/v1/modules/%ff/config', '/v1/nothing/%e4'])('has to be so rightly: %s', async (path) => {
    expect(await send(path)).toMatchObject(refused('BAD_REQUEST', expect.stringContaining('no percent-encoded UTF-8')))
  })
})

describe('a module as a resource', () => {
  const tagOf = async (path: string) => (await send(path)).headers.get('etag')!
  const post = (path: string, headers: Record<string, string>) => send(path, { method: 'POST', headers })

  it('is sent once to who keeps its tag, and changed only as it was read', async () => {
    const tag = await tagOf('/v1/modules/echo')
    expect(await send('/v1/modules/echo', { headers: { 'if-none-match': tag } })).toMatchObject({ status: 304, body: undefined })
    const disabled = await post('/v1/modules/echo/disable', { 'if-match': tag })
    expect(disabled).toMatchObject({ status: 200, body: { status: 'disabled' } })
    expect(disabled.headers.get('etag')).toBe(await tagOf('/v1/modules/echo'))
    expect(await post('/v1/modules/echo/enable', { 'if-match': tag })).toMatchObject(refused('PRECONDITION_FAILED'))
    expect(await post('/v1/modules/echo/enable', { 'if-match': disabled.headers.get('etag')! })).toMatchObject({ status: 200 })
  })

  it('is configured only as its configuration was read, and no value of it is in the audit log', async () => {
    const path = '/v1/modules/pii-filter/config'
    const tag = await tagOf(`${path}?class=c1`)
    const set = (kinds: string[]) => send(`${path}?scope=class&id=c1`, { method: 'PUT', body: { config: { kinds } }, headers: { 'if-match': tag } })
    expect(await set(['email'])).toMatchObject({ status: 200 })
    expect(await set(['phone'])).toMatchObject(refused('PRECONDITION_FAILED'))
    const { body } = await send('/v1/auth/audit?operation=config:set&limit=1')
    expect(body.items).toMatchObject([{ module: 'pii-filter', input: { scope: 'class', id: 'c1', said: { config: '(not kept)' } }, before: { config: '(not kept)' }, after: { config: '(not kept)' } }])
  })

  it('is disabled once under an idempotency key', async () => {
    const headers = { 'idempotency-key': randomUUID() }
    const first = await post('/v1/modules/echo/disable', headers)
    expect(await post('/v1/modules/echo/enable', {})).toMatchObject({ status: 200 })
    const again = await post('/v1/modules/echo/disable', headers)
    expect(again).toMatchObject({ status: 200, body: first.body })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect((await send('/v1/modules/echo')).body).toMatchObject({ status: 'ready' })
    expect(await post('/v1/modules/echo/enable', headers)).toMatchObject(refused('INVALID'))
  })
})
