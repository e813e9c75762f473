import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from './client.ts'
import { connectionOf } from './connection.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'client-'))
  await mkdir(join(folder, '.bulkhead'))
  await writeFile(join(folder, '.bulkhead', 'admin.key'), 'bk_local\n')
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

describe('the key', () => {
  const keyFor = (env: Record<string, string>) => connectionOf({ env, cwd: folder }).key

  test('of the local data folder is for servers on this machine, and goes nowhere else', () => {
    expect([keyFor({}), keyFor({ PORT: '8080' }), keyFor({ BULKHEAD_URL: 'http://localhost:1' }), keyFor({ BULKHEAD_URL: 'http://[::1]:1' })]).toEqual(Array(4).fill('bk_local'))
    for (const url of ['http://example.org', 'http://localhost.example.org', 'https://127.0.0.1.example.org', 'http://127.0.0.2']) expect(keyFor({ BULKHEAD_URL: url })).toBeUndefined()
    expect(keyFor({ BULKHEAD_URL: 'http://example.org', BULKHEAD_ADMIN_KEY: 'bk_admin' })).toBeUndefined()
  })

  test('that is given goes where it is told to', () => {
    expect(keyFor({ BULKHEAD_URL: 'https://example.org/bulkhead/', BULKHEAD_KEY: 'bk_given' })).toBe('bk_given')
    expect(connectionOf({ env: { BULKHEAD_URL: 'https://example.org/bulkhead/' }, cwd: folder }).url).toBe('https://example.org/bulkhead')
    expect(connectionOf({ env: { BULKHEAD_URL: 'https://example.org/v1' }, cwd: folder }).url).toBe('https://example.org')
    expect(keyFor({ BULKHEAD_ADMIN_KEY: 'bk_admin' })).toBe('bk_admin')
    expect(() => keyFor({ BULKHEAD_KEY: 'bk secret' })).toThrow('BULKHEAD_KEY has a wrong form (a secret, so not shown)')
  })
})

describe('a request', () => {
  async function asking(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(String(request.headers['idempotency-key'] ?? ''))
      request.resume().on('end', () => answer(request, response, asked.length))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const client = createClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key: 'bk_x', sought: '' }, { interrupted: new AbortController().signal })
    return {
      client,
      asked,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections()
        await new Promise((done) => server.close(done))
      },
    }
  }

  test('whose answer was lost is sent again under the same idempotency key, once', async () => {
    await using server = await asking((request, response, count) => void (count === 1 ? request.socket.destroy() : response.end('{"done":true}')))
    expect(await server.client.json({ method: 'POST', path: '/', body: {}, headers: { 'idempotency-key': 'k1' } })).toEqual({ done: true })
    expect(server.asked).toEqual(['k1', 'k1'])
    await using dead = await asking((request) => void request.socket.destroy())
    await expect(dead.client.json({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(dead.asked).toHaveLength(2)
  })

  test('that would be done twice is not', async () => {
    await using server = await asking((request) => void request.socket.destroy())
    await expect(server.client.json({ method: 'POST', path: '/', body: {} })).rejects.toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('the connection was lost') })
    expect(server.asked).toHaveLength(1)
  })

  test('is not taken elsewhere with its key', async () => {
    await using server = await asking((_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end())
    await expect(server.client.json({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'UNEXPECTED', message: expect.stringContaining('answered 302') })
  })

  test('to what is no Bulkhead server is told as such', async () => {
    await using server = await asking((_, response) => void response.writeHead(404).end('<html>'))
    await expect(server.client.json({ method: 'GET', path: '/' })).rejects.toMatchObject({ status: 404, message: expect.stringContaining('is a Bulkhead server there?') })
  })
})
