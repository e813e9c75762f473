import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createClient } from './client.ts'
import { happenings, type Happening } from './happenings.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void
const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]()
})

/** A server that answers each connection with the next of these. */
async function serve(...answers: Answer[]) {
  const asked: Array<string | undefined> = []
  const paths: Array<string | undefined> = []
  const server = createServer((request, response) => {
    paths.push(request.url)
    asked.push(request.headers['last-event-id'] as string | undefined)
    response.setHeader('content-type', 'text/event-stream')
    ;(answers.shift() ?? (() => {}))(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  open.push({
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  })
  const interruption = new AbortController()
  const client = createClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key: 'bk_x', sought: '' }, { interrupted: interruption.signal })
  const notes: string[] = []
  return { asked, paths, notes, interruption, events: happenings(client, { method: 'GET', path: '/v1/events?module=a&after=5' }, interruption.signal, (text) => notes.push(text)) }
}

async function take(events: AsyncGenerator<Happening>, count: number): Promise<Happening[]> {
  const taken: Happening[] = []
  while (taken.length < count) {
    const { value, done } = await events.next()
    if (done) break
    taken.push(value)
  }
  return taken
}

test('events come as they happen, in whatever pieces they are sent', async () => {
  const text = Buffer.from('retry: 10\n\n: still here\n\nid: 1\nevent: module.ready\ndata: {"module":"über"}\n\ndata: not JSON\n\n')
  const { events, interruption } = await serve(async (_, response) => {
    for (const byte of text) {
      response.write(Buffer.of(byte))
      if (byte > 127) await new Promise((done) => setTimeout(done, 5))
    }
  })
  expect(await take(events, 2)).toEqual([
    { id: '1', event: 'module.ready', data: { module: 'über' } },
    { id: undefined, event: undefined, data: 'not JSON' },
  ])
  interruption.abort()
  await expect(events.next()).rejects.toThrow()
})

test('a lost connection is made again after the last event that came', async () => {
  const { events, asked, paths, notes } = await serve(
    (_, response) => void response.end('retry: 1\n\nid: 7\ndata: 1\n\nid: 8\ndata: 2\n\n'),
    (request) => void request.socket.destroy(),
    (_, response) => void response.writeHead(503).end(),
    (_, response) => void response.write('id: 9\ndata: 3\n\n'),
  )
  expect((await take(events, 3)).map(({ data }) => data)).toEqual([1, 2, 3])
  expect(asked).toEqual([undefined, '8', '8', '8'])
  expect(paths.slice(0, 2)).toEqual(['/v1/events?module=a&after=5', '/v1/events?module=a'])
  expect(notes).toEqual(['the connection was lost, connecting again', 'connected again'])
})

test('a refusal that will not pass ends it', async () => {
  const refuse: Answer = (_, response) => void response.writeHead(403).end('{"error":{"code":"FORBIDDEN","message":"no scope"}}')
  const first = await serve(refuse)
  await expect(first.events.next()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  const later = await serve((_, response) => void response.end('retry: 1\n\ndata: 1\n\n'), refuse)
  expect(await take(later.events, 1)).toHaveLength(1)
  await expect(later.events.next()).rejects.toMatchObject({ code: 'FORBIDDEN' })
})
