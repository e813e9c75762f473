import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AppUnderTest, startApp } from './app.setup.ts'
import { createApp } from './app.ts'
import { eventStream } from './event-stream.ts'
import { listen } from './server.ts'

let app: AppUnderTest
let server: Awaited<ReturnType<typeof listen>>
let key: string
beforeAll(async () => {
  app = await startApp()
  key = app.adminKey
  const { runtime, database } = app
  const served = createApp({ runtime, database, log: app.log })
  server = await listen({ fetch: (request) => served.fetch(request), host: '127.0.0.1', port: 0, drainMs: 100 })
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
})

interface Told {
  id: string
  event: string
  data: Record<string, unknown>
}

/** Opens a stream; `until` reads it until something is told, and answers with all that was told so far. */
async function follow(path: string, headers: Record<string, string> = {}) {
  const abort = new AbortController()
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { authorization: `Bearer ${key}`, ...headers }, signal: abort.signal })
  const told: Told[] = []
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    told,
    async until(isThere: (one: Told) => boolean): Promise<Told[]> {
      while (!told.some(isThere)) {
        const { value, done } = await reader.read()
        if (done) throw new Error(`the stream ended after ${JSON.stringify(told)}`)
        text += value
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
          if (field('data') !== undefined) told.push({ id: field('id')!, event: field('event')!, data: JSON.parse(field('data')!) })
        }
      }
      return told
    },
    close: () => abort.abort(),
  }
}

const reload = () => app.send('/v1/modules/echo/reload', { method: 'POST' })

it('events are told as they happen, and after a break from where it was', async () => {
  const first = await follow('/v1/events?module=echo')
  expect(first.response.headers.get('content-type')).toBe('text/event-stream')
  await reload()
  const told = await first.until(({ event }) => event === 'operation:done')
  expect(told.map(({ event }) => event)).toEqual(expect.arrayContaining(['module:starting', 'module:ready', 'operation:done']))
  expect(told.at(-1)?.data).toMatchObject({ operation: 'modules:reload', key: 'admin', module: 'echo', at: expect.any(String) })
  first.close()

  const [{ id }] = told as [Told]
  await reload()
  const second = await follow('/v1/events?module=echo', { 'last-event-id': id })
  const all = await second.until(() => second.told.filter(({ event }) => event === 'operation:done').length === 2)
  expect(all.map((one) => Number(one.id))).toEqual(all.map((one) => Number(one.id)).toSorted((a, b) => a - b))
  expect(all.map((one) => one.id)).not.toContain(id)
  second.close()
})

it('a stream ends with the key that opened it', async () => {
  const made = (await app.send('/v1/auth/keys', { body: { name: 'watcher', scopes: ['system:read'] } })).body as unknown as { key: string; row: { id: string } }
  const stream = await follow('/v1/events?type=test:told', { authorization: `Bearer ${made.key}` })
  let told = 0
  const tell = setInterval(() => app.runtime.happenings.add('test:told', 'echo', { told: told++ }), 200)
  try {
    await stream.until(() => true)
    expect((await app.send(`/v1/auth/keys/${made.row.id}?confirm=true`, { method: 'DELETE' })).status).toBe(200)
    await expect(stream.until(() => false)).rejects.toThrow()
    expect((await app.send('/v1/system/health', { key: made.key })).status).toBe(401)
  } finally {
    clearInterval(tell)
    stream.close()
  }
}, 60_000)

it('one key may have 50 streams open, and leaves room for others', async () => {
  const open = async (by: string) => {
    const stream = eventStream({ key: by, read: async () => [], watch: () => () => {}, isOver: () => true, left: undefined })
    await stream.next()
    return stream
  }
  const streams = await Promise.all(Array.from({ length: 50 }, () => open('one')))
  await expect(open('one')).rejects.toMatchObject({ code: 'BUSY', message: 'cannot stream, 50 streams of this key are open' })
  streams.push(await open('other'))
  await streams.pop()?.return(undefined)
  await streams.pop()?.return(undefined)
  streams.push(await open('one'))
  for (const stream of streams) await stream.return(undefined)
})

it('a stream that its client has left makes room soon, though nothing happens', async () => {
  for (let opened = 0; opened < 80; opened++) {
    await expect.poll(async () => {
      const { status, body } = await fetch(`http://127.0.0.1:${server.port}/v1/events`, { headers: { authorization: `Bearer ${key}` } })
      await body?.cancel()
      return status
    }, { timeout: 10_000 }).toBe(200) // without it, they would be given up after 15 s of silence
  }
})

it('an id that no event came with is refused before the stream begins', async () => {
  for (const [path, id] of [['/v1/events', 'x; drop'], ['/v1/logs/stream', 'bm9uc2Vuc2U']] as const) {
    expect(await app.send(path, { headers: { 'last-event-id': id } })).toMatchObject({ status: 400, body: { error: { code: 'BAD_REQUEST' } } })
  }
})

it('log lines are told once each, those that come late too', async () => {
  const stream = await follow('/v1/logs/stream?module=echo&level=info')
  const line = (message: string, createdAt: Date) =>
    app.runtime.records.addLogs([{ module: 'echo', version: '1.0.0', execution: null, seq: 0, level: 'warn', message, createdAt }])
  const now = Date.now() + 500
  line('second', new Date(now))
  await stream.until(({ data }) => data['message'] === 'second')
  line('first', new Date(now - 400))
  line('third', new Date(now + 100))
  await stream.until(() => stream.told.length === 3)
  await delay(1500)
  expect(stream.told.map(({ data }) => data['message']).toSorted()).toEqual(['first', 'second', 'third'])
  stream.close()

  const after = stream.told.find(({ data }) => data['message'] === 'second')!.id
  const again = await follow('/v1/logs/stream?module=echo', { 'last-event-id': after })
  await again.until(() => true)
  expect(again.told.map(({ data }) => data['message'])).toEqual(['third'])
  again.close()
})

it('a flood of one kind is counted, not kept', async () => {
  const { happenings } = app.runtime
  for (let i = 0; i < 1_000; i++) happenings.add('test:flood', 'echo', { i })
  await delay(1_100)
  happenings.add('test:flood', 'echo', { i: 'last' })
  await happenings.flush()
  const { items } = await happenings.page({ type: 'test:flood', limit: 200 })
  expect(items.length).toBeLessThanOrEqual(60)
  const omitted = items.reduce((sum, { data }) => sum + Number(data['omitted'] ?? 0), 0)
  expect(omitted + items.length).toBe(1_001)
})

it('what is measured can be read as Prometheus does, with a key', async () => {
  await app.send('/v1/hooks/chat:before_ai', { body: { message: { content: 'hi' } } })
  const read = (sent: string) => fetch(`http://127.0.0.1:${server.port}/metrics`, { headers: { authorization: `Bearer ${sent}` } })
  expect((await read('nonsense')).status).toBe(401)
  const response = await read(key)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/)
  const text = await response.text()
  expect(text).toMatch(/^bulkhead_executions_total\{module="echo",outcome="ok"\} [1-9]/m)
  expect(text).toMatch(/^bulkhead_execution_seconds_bucket\{le="10",module="echo"\} [1-9]/m)
  expect(text).toMatch(/^bulkhead_modules\{state="ready"\} 2/m)
  expect(text).toMatch(/^bulkhead_cells_resident_bytes [1-9]/m)
  expect(text).toMatch(/^bulkhead_queue_depth\{queue="logs"\} \d/m)
  expect(text).toMatch(/^bulkhead_database_connections\{state="idle"\} \d/m)
})

it('every part is looked at', async () => {
  const { body } = await app.send('/v1/system/health')
  const { status, parts } = body as unknown as { status: string; parts: Array<{ part: string; status: string }> }
  expect(parts.map(({ part }) => part)).toEqual(['database', 'cells', 'modules', 'disk'])
  expect([status, ...parts.map((part) => part.status)]).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
})

it('cells are renewed under load, and no call is lost', async () => {
  const pids = () => app.runtime.system.status().cells.map(({ pid }) => pid)
  const before = pids()
  expect(before.length).toBeGreaterThan(0)
  let isOver = false
  const outcomes: number[] = []
  const callers = Array.from({ length: 4 }, async () => {
    while (!isOver) outcomes.push((await app.send('/v1/hooks/chat:before_ai', { body: { message: { content: 'hi' } } })).body.modifications ? 1 : 0)
  })
  const answer = await app.send('/v1/system/restart', { method: 'POST' })
  isOver = true
  await Promise.all(callers)
  expect(answer).toMatchObject({ status: 200, body: { renewed: before.length, left: [] } })
  expect(pids().filter((pid) => before.includes(pid))).toEqual([])
  expect(outcomes.length).toBeGreaterThan(0)
  expect(outcomes.filter((one) => one === 0)).toEqual([])
  expect(app.runtime.modules().map((module) => module.status)).toEqual(['ready', 'ready'])
})
