import { request as httpRequest } from 'node:http'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../api/app.ts'
import { listen } from '../api/server.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { type Lab, openLab } from './module-lab.ts'

const PUBLIC = 'routes: { auth: public }\npermissions: [log, routes:public]\nlimits: { maxExecutionMs: 3000, maxConcurrency: 16 }'
const KEY = 'k'.repeat(40)

const MODULES: Record<string, [yaml: string, code: string]> = {
  echo: [
    PUBLIC,
    `Deno.serve(async (request, info) => {
      const url = new URL(request.url)
      const headers = Object.fromEntries(request.headers)
      return Response.json({ method: request.method, path: url.pathname + url.search, headers, body: await request.text(), remote: info.remoteAddr.transport }, { headers: { 'x-own': 'yes' } })
    })`,
  ],
  locked: ['permissions: [log]', `export default { fetch: (request) => Response.json({ authorization: request.headers.get('authorization'), key: request.headers.get('x-bulkhead-key') }) }`],
  defined: [
    PUBLIC + '\nhooks: [chat:before_ai]\nconfig: { type: object, properties: { word: { type: string, default: please } } }',
    `import { defineModule } from '@bulkhead/sdk'
    export default defineModule({
      fetch(request) {
        this.state.set('asked', (this.state.get('asked') ?? 0) + 1)
        return Response.json({ word: this.config.word, asked: this.state.get('asked'), method: request.method })
      },
      hooks: { 'chat:before_ai': () => ({ action: 'block', reason: 'also a hook' }) },
    })`,
  ],
  asks: ['routes: { auth: public }\npermissions: [routes:public]', `export default { fetch: () => new Response('hello') }`],
  streams: [
    PUBLIC,
    `let cancelled = 0
    let made = 0
    Deno.serve((request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/sum') return countBytes(request)
      if (pathname === '/state') return Response.json({ cancelled, made })
      if (pathname === '/sse') return sse()
      if (pathname === '/endless') return endless()
      return big()
    })
    async function countBytes(request) {
      let bytes = 0
      for await (const chunk of request.body) bytes += chunk.length
      return Response.json({ bytes })
    }
    function sse() {
      let n = 0
      return new Response(new ReadableStream({
        pull(controller) {
          if (n === 3) return controller.close()
          controller.enqueue(new TextEncoder().encode('data: ' + n++ + '\\n\\n'))
        },
      }), { headers: { 'content-type': 'text/event-stream' } })
    }
    function big() {
      let left = 64
      return new Response(new ReadableStream({
        pull(controller) {
          if (left-- === 0) return controller.close()
          controller.enqueue(new Uint8Array(50_000).fill(left))
        },
      }))
    }
    function endless() {
      return new Response(new ReadableStream({
        pull(controller) { made++; controller.enqueue(new Uint8Array(40_000)) },
        cancel() { cancelled++ },
      }))
    }`,
  ],
  smuggler: [
    PUBLIC,
    `export default { fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/hop') return new Response('body', { headers: { connection: 'keep-alive, x-secret', 'x-secret': '1', 'transfer-encoding': 'chunked', 'content-length': '2', upgrade: 'h2c', 'keep-alive': 'timeout=1' } })
      if (pathname === '/cookie') return new Response('c', { headers: [['set-cookie', 'a=1; Path=/; Domain=example.org; HttpOnly'], ['set-cookie', 'b=2']] })
      if (pathname === '/host') return new Response('h', { headers: { 'clear-site-data': '"*"', 'strict-transport-security': 'max-age=1', 'alt-svc': 'h3=":1"', 'service-worker-allowed': '/', 'x-own': 'yes' } })
      if (pathname === '/many') return new Response('m', { headers: Array.from({ length: 200 }, (_, n) => ['x-' + n, 'v']) })
      if (pathname === '/few') return new Response('m', { headers: Array.from({ length: 90 }, (_, n) => ['x-' + n, 'v']) })
      return new Response('ok')
    } }`,
  ],
  liar: [
    PUBLIC,
    `export default { fetch(request) {
      const { pathname } = new URL(request.url)
      // What its own classes would refuse, by a module that has changed what they are made of.
      if (pathname === '/split') {
        const { test } = RegExp.prototype
        RegExp.prototype.test = () => false
        try {
          return new Response('ok', { headers: { x: 'a\\r\\nset-cookie: stolen=1' } })
        } finally {
          RegExp.prototype.test = test
        }
      }
      if (pathname === '/object') return { status: 200, headers: new Headers(), body: 'no' }
      if (pathname === '/throw') throw new Error('secret stays inside')
      if (pathname === '/nothing') return undefined
      return new Response('ok')
    } }`,
  ],
  slow: [
    PUBLIC.replace('3000', '400'),
    `export default { async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/loop') for (;;) {}
      if (pathname === '/wait') await new Promise(() => {})
      if (pathname === '/never') return new Response(new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(5)) } }))
      return new Response('quick')
    } }`,
  ],
  exits: [
    PUBLIC,
    `export default { async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/exit') Deno.exit(0)
      if (pathname === '/exit3') Deno.exit(3)
      await new Promise((resolve) => setTimeout(resolve, 300))
      return new Response('still here')
    } }`,
  ],
}

let lab: Lab
let server: Awaited<ReturnType<typeof listen>>
let base: string

beforeAll(async () => {
  lab = await openLab()
  for (const [name, [yaml, code]] of Object.entries(MODULES)) await lab.write(name, yaml, code)
  await lab.start()
  await lab.ready()
  await ensureAdminKey(lab.database.sql, { folder: lab.folder, preset: KEY })
  const app = createApp({ runtime: lab.runtime, database: lab.database, log: pino({ level: 'silent' }) })
  server = await listen({ fetch: (request) => app.fetch(request), host: '127.0.0.1', port: 0, drainMs: 100 })
  base = `http://127.0.0.1:${server.port}/api/modules`
}, 120_000)
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
})

const withKey = { headers: { authorization: `Bearer ${KEY}` } }

describe('a module that answers requests', () => {
  test('sees the path behind its name, and its own answer arrives', async () => {
    const response = await fetch(`${base}/echo/users/1?full=1`, { method: 'POST', body: 'näh', headers: { 'x-a': '1', 'x-forwarded-prefix': '/lie' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-own')).toBe('yes')
    expect(response.headers.get('content-type')).toBe('application/json')
    const seen = await bodyOf(response)
    expect(seen).toMatchObject({ method: 'POST', path: '/users/1?full=1', body: 'näh', remote: 'tcp' })
    expect(seen.headers).toMatchObject({ 'x-a': '1', 'x-forwarded-prefix': '/api/modules/echo' })
    expect(seen.headers).not.toHaveProperty('connection')
  })

  test('answers at the bare name, and to every method', async () => {
    expect((await bodyOf(fetch(`${base}/echo`))).path).toBe('/')
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) expect((await bodyOf(fetch(`${base}/echo/x`, { method }))).method).toBe(method)
    const head = await fetch(`${base}/echo/x`, { method: 'HEAD' })
    expect([head.status, await head.text(), head.headers.get('x-own')]).toEqual([200, '', 'yes'])
  })

  test('is found by its name in percent-encoding, and reads what is behind it as it was sent', async () => {
    const seen = await bodyOf(fetch(`${base}/%65c%68o/a%2Fb/%zz?c=%`))
    expect(seen).toMatchObject({ path: '/a%2Fb/%zz?c=%' })
    expect(seen.headers['x-forwarded-prefix']).toBe('/api/modules/echo')
    expect((await bodyOf(fetch(`${base}/%65cho?d`))).path).toBe('/?d')
    expect((await bodyOf(fetch(`${base}/${encodeURIComponent('echo/..')}/x`))).error.code).toBe('NOT_FOUND')
  })

  test.each(['%zz', 'echo%', '%ff', 'echo%2'])('is not looked for under the name %s', async (name) => {
    for (const path of [`${base}/${name}`, `${base}/${name}/x`]) {
      const response = await fetch(path)
      expect([response.status, (await bodyOf(response)).error.code]).toEqual([400, 'BAD_REQUEST'])
    }
  })

  test('may be one of defineModule, with its configuration, its state and its hooks', async () => {
    expect(await bodyOf(fetch(`${base}/defined`))).toEqual({ word: 'please', asked: 1, method: 'GET' })
    expect(await bodyOf(fetch(`${base}/defined`, { method: 'PUT' }))).toEqual({ word: 'please', asked: 2, method: 'PUT' })
    expect(await lab.hook('chat:before_ai')).toMatchObject({ action: 'block', reason: 'also a hook' })
  })

  test('is sandboxed as a page, and sets cookies for its own path alone', async () => {
    expect((await fetch(`${base}/echo`)).headers.get('content-security-policy')).toContain('sandbox')
    const { headers } = await fetch(`${base}/smuggler/cookie`)
    expect(headers.getSetCookie()).toEqual(['a=1; Path=/api/modules/smuggler/; HttpOnly', 'b=2; Path=/api/modules/smuggler/'])
  })

  test('is not shown the cookies of the host', async () => {
    const seen = await bodyOf(fetch(`${base}/echo`, { headers: { cookie: 'bulkhead_session=1; own=2; __Host-bulkhead=3' } }))
    expect(seen.headers['cookie']).toBe('own=2')
  })
})

describe('who may ask', () => {
  test('needs a key unless the manifest says otherwise, and the module does not see it', async () => {
    expect((await fetch(`${base}/locked`)).status).toBe(401)
    expect(await bodyOf(fetch(`${base}/locked`, withKey))).toEqual({ authorization: null, key: null })
    const own = { headers: { 'x-bulkhead-key': KEY, authorization: 'Basic own' } }
    expect(await bodyOf(fetch(`${base}/locked`, own))).toEqual({ authorization: 'Basic own', key: null })
  })

  test('sends no key of the host to a module that anybody may ask', async () => {
    const seen = async (headers: Record<string, string>) => (await bodyOf(fetch(`${base}/echo`, { headers }))).headers['authorization']
    const key = `bk_00000000_${'k'.repeat(43)}`
    expect(await seen({ authorization: `Bearer ${key}` })).toBeUndefined()
    expect(await seen({ authorization: `bearer  ${key}` })).toBeUndefined()
    expect(await seen({ authorization: 'Bearer own' })).toBe('Bearer own')
  })

  test('is the operator to say: without the grant, public routes need a key', async () => {
    expect((await fetch(`${base}/asks`)).status).toBe(200)
    await lab.runtime.permissions.revoke('asks', ['routes:public'], 'test')
    expect((await fetch(`${base}/asks`)).status).toBe(401)
    expect((await fetch(`${base}/asks`, withKey)).status).toBe(200)
  })

  test('nobody reaches what is no module', async () => {
    expect((await fetch(`${base}/ecko`, withKey)).status).toBe(404)
  })
})

describe('bodies', () => {
  test('of a request arrive in pieces', async () => {
    const response = await fetch(`${base}/streams/sum`, { method: 'POST', body: new Uint8Array(3_000_000) })
    expect(await bodyOf(response)).toEqual({ bytes: 3_000_000 })
  })

  test('of a request are refused past 16 MiB, and taken just below', async () => {
    const send = (bytes: number) => fetch(`${base}/streams/sum`, { method: 'POST', body: new Uint8Array(bytes) })
    expect((await send(16 * 1024 * 1024)).status).toBe(200)
    const refused = await get(`${base}/streams/sum`, Buffer.alloc(16 * 1024 * 1024 + 1))
    expect(refused.status).not.toBe(200)
  }, 30_000)

  test('of a response come as they are made', async () => {
    const response = await fetch(`${base}/streams/sse`)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(await response.text()).toBe('data: 0\n\ndata: 1\n\ndata: 2\n\n')
    expect((await (await fetch(`${base}/streams/big`)).arrayBuffer()).byteLength).toBe(3_200_000)
  })

  test('of a client that does not read are made no faster, and cancelled when it goes', async () => {
    const { made } = await bodyOf(fetch(`${base}/streams/state`))
    const gone = new AbortController()
    const response = await fetch(`${base}/streams/endless`, { signal: gone.signal })
    const reader = response.body!.getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const meanwhile = await bodyOf(fetch(`${base}/streams/state`))
    expect(meanwhile.made - made).toBeLessThan(400) // 16 MB, what kernel and server hold
    gone.abort()
    await expect.poll(async () => (await bodyOf(fetch(`${base}/streams/state`))).cancelled).toBe(1)
  })

  test('that never end are cut off by the time limit, and the module goes on', async () => {
    const response = await fetch(`${base}/slow/never`)
    expect(response.status).toBe(200)
    await expect(response.arrayBuffer()).rejects.toThrow()
    expect(await (await fetch(`${base}/slow`)).text()).toBe('quick')
  })
})

describe('a response that is an attack', () => {
  test('says nothing of the connection', async () => {
    const raw = await get(`${base}/smuggler/hop`)
    expect(raw.body).toBe('body')
    expect(raw.headers).toMatchObject({ 'content-length': '4' })
    for (const name of ['x-secret', 'transfer-encoding', 'upgrade']) expect(raw.headers).not.toHaveProperty(name)
  })

  test('says nothing that browsers would take for the whole host', async () => {
    const { headers } = await fetch(`${base}/smuggler/host`)
    expect(['clear-site-data', 'strict-transport-security', 'alt-svc', 'service-worker-allowed', 'x-own'].filter((name) => headers.has(name))).toEqual(['x-own'])
  })

  test('has no header that holds another', async () => {
    const raw = await get(`${base}/liar/split`)
    expect([500, 502]).toContain(raw.status)
    expect(raw.headers).not.toHaveProperty('set-cookie')
  })

  test('may have 100 headers', async () => {
    expect((await fetch(`${base}/smuggler/few`)).status).toBe(200)
    expect((await fetch(`${base}/smuggler/many`)).status).toBe(502)
  })

  test('is none where the handler returns something else or throws', async () => {
    for (const path of ['object', 'nothing', 'throw']) {
      const response = await fetch(`${base}/liar/${path}`)
      expect([response.status, await response.text()]).toEqual([500, 'Internal Server Error'])
    }
  })
})

describe('limits', () => {
  test('end a handler that loops or waits, with an error that names the limit', async () => {
    for (const path of ['loop', 'wait']) {
      const response = await fetch(`${base}/slow/${path}`)
      expect(response.status).toBe(504)
      expect((await bodyOf(response)).error.code).toMatch(/TIMEOUT|CPU_LIMIT/)
    }
    await expect.poll(async () => (await fetch(`${base}/slow`)).status).toBe(200)
  })

  test('Deno.exit ends the request that calls it and none beside it', async () => {
    const others = [1, 2, 3].map(() => fetch(`${base}/exits/stay`).then((response) => response.text()))
    const zero = await fetch(`${base}/exits/exit`)
    expect(zero.status).toBe(502)
    const three = await fetch(`${base}/exits/exit3`)
    expect([three.status, (await bodyOf(three)).error.message]).toEqual([502, 'Exit: Deno.exit(3)'])
    expect(await Promise.all(others)).toEqual(['still here', 'still here', 'still here'])
  })
})

interface Answered {
  method: string
  path: string
  headers: Record<string, string>
  made: number
  cancelled: number
  error: { code: string; message: string }
}

async function bodyOf(response: Response | Promise<Response>): Promise<Answered> {
  return (await (await response).json()) as Answered
}

/** As it came over the wire, which fetch would tidy up. */
function get(url: string, sent?: Buffer): Promise<{ status: number; headers: object; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(url, { agent: false, method: sent ? 'POST' : 'GET' }, (answer) => {
      let body = ''
      answer.on('data', (chunk) => (body += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
    asked.on('error', reject)
    asked.end(sent)
  })
}
