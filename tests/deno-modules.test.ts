import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Asked, REQUESTS } from '../fixtures/deno/requests.ts'
import { type Lab, openLab } from './module-lab.ts'
import { type Registry, startRegistry } from './npm-registry.setup.ts'

interface Answer {
  status: number
  headers: Array<[string, string]>
  body: string
}

const SECRET = 'a secret of the webhook'
let lab: Lab
let upstream: Server
let registry: Registry
let inDeno: Record<string, Answer[]>

beforeAll(async () => {
  upstream = createServer((request, response) => {
    if (request.url === '/broken') return void request.socket.destroy()
    if (request.url === '/moved') return void response.writeHead(302, { location: '/plain' }).end()
    response.setHeader('content-type', 'text/plain')
    response.setHeader('x-seen', `${request.method} ${request.url} ${request.headers['x-via']}`)
    if (request.url === '/echo') return void request.pipe(response)
    if (request.url === '/stream') for (let n = 0; n < 20; n++) response.write(`${n} `.repeat(1_000))
    response.end('plain')
  })
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done))
  const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  registry = await startRegistry()
  const environment = { UPSTREAM: upstreamUrl, WEBHOOK_SECRET: SECRET }
  lab = await openLab()
  for (const name of Object.keys(REQUESTS)) await writeModule(name)
  const [answers] = await Promise.all([askDeno(environment), lab.start({ environment, npmRegistry: registry.url })])
  inDeno = answers
  await lab.ready()
  for (const { name } of lab.runtime.modules()) await lab.runtime.permissions.grant(name, undefined, 'test')
}, 120_000)
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
  upstream?.closeAllConnections()
  await new Promise((done) => upstream?.close(done))
})

test.each(Object.keys(REQUESTS))('%s answers as in Deno', async (name) => {
  const answers: Answer[] = []
  for (const asked of REQUESTS[name] ?? []) answers.push(await askHere(name, asked))
  const wanted = inDeno[name] ?? []
  expect(answers.map(shown)).toEqual(wanted.map(shown))
  expect(answers).toHaveLength(REQUESTS[name]?.length ?? 0)
})

/** With headers of one name as one, and the body as text as long as a difference can be read. */
function shown({ status, headers, body }: Answer): object {
  const joined: Record<string, string> = {}
  for (const [name, value] of headers) joined[name] = name in joined ? `${joined[name]}, ${value}` : value
  const text = Buffer.from(body, 'base64').toString('latin1')
  return { status, headers: joined, body: text.length < 2_000 ? text : `${text.length} bytes, ${createHash('sha256').update(text).digest('hex')}` }
}

async function writeModule(name: string): Promise<void> {
  const code = await readFile(`fixtures/deno/modules/${name}.ts`, 'utf8')
  const permissions = ['log', 'kv', '"net:127.0.0.1"', '"env:UPSTREAM"', '"env:WEBHOOK_SECRET"']
  await lab.write(name, `permissions: [${permissions.join(', ')}]\nlimits: { maxMemoryMB: 128, maxCpuMs: 5000, maxExecutionMs: 10000 }`, code)
  await cp('fixtures/deno/data', join(lab.folder, 'modules', name, 'data'), { recursive: true })
}

async function askHere(name: string, { path, method = 'GET', headers = {}, body }: Asked): Promise<Answer> {
  const bytes = body === undefined ? null : typeof body === 'string' ? Buffer.from(body) : new Uint8Array(body)
  const hasType = Object.keys(headers).some((header) => header === 'content-type')
  const typed: Array<[string, string]> = typeof body === 'string' && !hasType ? [['content-type', 'text/plain;charset=UTF-8']] : []
  const response = await lab.runtime.http.fetch(name, {
    method,
    url: `http://localhost${path}`,
    headers: [['x-none', ''], ...Object.entries(headers), ...typed],
    body: bytes && new Response(bytes).body,
    remote: { hostname: '127.0.0.1', port: 0 },
    signal: new AbortController().signal,
  })
  const whole = await new Response(response.body as ConstructorParameters<typeof Response>[0]).arrayBuffer()
  return { status: response.status, headers: response.headers, body: Buffer.from(whole).toString('base64') }
}

/** The same modules in Deno itself, in a process that asks them one after the other. */
async function askDeno(environment: Record<string, string>): Promise<Record<string, Answer[]>> {
  const folder = join(lab.folder, 'deno')
  const home = join(lab.folder, 'home')
  await mkdir(folder)
  await mkdir(home)
  const plan = []
  for (const [name, requests] of Object.entries(REQUESTS)) {
    await cp(`fixtures/deno/modules/${name}.ts`, join(folder, `${name}.ts`))
    plan.push({ name, url: pathToFileURL(join(folder, `${name}.ts`)).href, requests })
  }
  await cp('fixtures/deno/data', join(folder, 'data'), { recursive: true })
  await cp('fixtures/deno/ask.ts', join(folder, 'ask.ts'))
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan))
  const env = { HOME: home, DENO_DIR: join(home, 'cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', NPM_CONFIG_REGISTRY: registry.url, ...environment }
  const launcher = createRequire(import.meta.url).resolve('deno/bin.cjs')
  const args = [launcher, 'run', '-A', '--no-config', '--no-lock', '--node-modules-dir=none', '--unstable-kv', '--unstable-cron', 'ask.ts', 'plan.json']
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env, cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const line = stdout.split('\n').find((one) => one.startsWith('answers '))
      if (line === undefined) reject(new Error(`Deno gave no answers: ${error?.message ?? ''} ${stderr}`))
      else resolve(JSON.parse(line.slice('answers '.length)) as Record<string, Answer[]>)
    })
  })
}
