import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { listen } from './server.ts'

const hello = () => new Response('hello')
const serve = (options: Partial<Parameters<typeof listen>[0]> = {}) =>
  listen({ fetch: hello, host: '127.0.0.1', port: 0, drainMs: 5000, ...options })

/** Sends text as it is and resolves with all that comes back until the other end closes. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  let answer = ''
  socket.setEncoding('utf8').on('data', (part) => (answer += part))
  socket.on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return answer
}

describe('the server', () => {
  it('answers on the free port it found, and no more once disposed', async () => {
    const server = await serve()
    const url = `http://127.0.0.1:${server.port}/`
    expect(await (await fetch(url)).text()).toBe('hello')
    await server[Symbol.asyncDispose]()
    await expect(fetch(url)).rejects.toThrow()
  })

  it('says from where a connection came, whatever a header says', async () => {
    await using server = await serve({ fetch: (_, { remoteAddress }) => new Response(remoteAddress) })
    const headers = { 'x-forwarded-for': '192.0.2.7', forwarded: 'for=192.0.2.7', 'x-real-ip': '192.0.2.7' }
    expect(await (await fetch(`http://127.0.0.1:${server.port}/`, { headers })).text()).toBe('127.0.0.1')
  })

  it('says that a port is in use, and what to do', async () => {
    await using server = await serve()
    const why = 'the port is in use, set PORT to another or stop what uses it'
    const message = `cannot listen on 127.0.0.1 port ${server.port}: ${why}`
    await expect(serve({ port: server.port })).rejects.toMatchObject({ code: 'UNAVAILABLE', message })
  })

  it('says that an address is not of this machine', async () => {
    await expect(serve({ host: '192.0.2.1' })).rejects.toThrow('this machine has no such address, set HOST')
  })

  it.each([
    ['what is no HTTP', 'hello\r\n\r\n', 400, 'BAD_REQUEST'],
    ['a Host with a fault', 'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
    ['a target that is none', 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      400,
      'BAD_REQUEST',
    ],
    [
      'a length beside chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'BAD_REQUEST',
    ],
    ['headers past 16 KiB', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
  ])('answers %s as any other error', async (_, text, status, code) => {
    await using server = await serve()
    const answer = await raw(server.port, text)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ error: { code } })
  })

  it('takes headers just under 16 KiB', async () => {
    await using server = await serve()
    const text = `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${'x'.repeat(16_000)}\r\n\r\n`
    expect(await raw(server.port, text)).toMatch(/^HTTP\/1.1 200 /)
  })

  it.each([
    ['headers', 'GET / HTTP/1.1\r\nHost: a\r\nX: '],
    ['a body', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345'],
  ])('cuts off who sends only the beginning of %s', async (_, text) => {
    const limits = { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 50 }
    await using server = await serve({ limits, fetch: async (request) => new Response(await request.text()) })
    const answer = await raw(server.port, text)
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(answer).toContain('REQUEST_TIMEOUT')
  })

  it('finishes a request under way before it ends, though its connection would be kept', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const server = await serve({
      async fetch() {
        arrive()
        await released
        return hello()
      },
    })
    const answer = fetch(`http://127.0.0.1:${server.port}/`)
    await arrived
    const disposed = server[Symbol.asyncDispose]()
    release()
    expect(await (await answer).text()).toBe('hello')
    await disposed
  })

  it('cuts what is not finished when its time to drain is over', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    const server = await serve({
      drainMs: 50,
      fetch() {
        arrive()
        return new Promise(() => {})
      },
    })
    const silent = connect({ host: '127.0.0.1', port: server.port })
    await once(silent, 'connect')
    const closed = once(silent.resume(), 'close')
    const stuck = raw(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await arrived
    await server[Symbol.asyncDispose]()
    expect(await stuck).toBe('')
    await closed
  })
})
